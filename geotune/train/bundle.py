"""The exported model: a folder of weights (safetensors), JSON and a model card, from which no code is run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from geotune import __version__
from geotune.config import build
from geotune.data.cache.squares import square
from geotune.data.dataset import Dataset
from geotune.errors import GeotuneError
from geotune.geo.metrics import Extent
from geotune.model.geolocator import Answers, Geolocator
from geotune.train.card import card
from geotune.train.device import choose_device
from geotune.train.evaluate import locate, photo_sizes
from geotune.train.memory import MicroBatch
from geotune.train.new_folder import new_folder
from geotune.train.settings import TrainConfig

FORMAT = 1
WEIGHTS = "model.safetensors"
DESCRIPTION = "model.json"
CARD = "README.md"
PHOTOS_AT_ONCE = 32

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Prediction:
    """Where a photo was taken, in degrees; or why that cannot be said."""

    path: Path
    lat: float
    lon: float
    confidence: float | None
    """The probability that the head gives to the neighbourhood of its answer; None where it has no idea."""
    problem: str = ""
    """What is wrong with the file; lat and lon are NaN then."""
    candidates: tuple[tuple[float, float, float], ...] = ()
    """The likeliest places as (latitude, longitude, probability), the best first; of heads that rank places."""


@dataclass(frozen=True)
class Bundle:
    """A loaded model and what is known of it."""

    folder: Path
    model: Geolocator
    config: TrainConfig
    metrics: dict[str, float]
    """Of the exported epoch: `valid/…`, and `test/…` where the test split was measured."""
    dataset: dict[str, Any]
    """What it was trained on: name, extent, fingerprint, photos a split, split_question."""

    @property
    def extent(self) -> Extent:
        return self.model.geography.extent

    def predict(self, paths: Sequence[Path | str]) -> list[Prediction]:
        """One prediction a path, in their order; a file that is no picture gets its problem, the others go on."""
        predictions: list[Prediction] = []
        for start in range(0, len(paths), PHOTOS_AT_ONCE):
            predictions += self._predict([Path(path) for path in paths[start : start + PHOTOS_AT_ONCE]])
        return predictions

    def _predict(self, paths: list[Path]) -> list[Prediction]:
        sizes = photo_sizes(self.model)
        squares: list[list[Pixels]] = []
        problems: dict[int, str] = {}
        for number, path in enumerate(paths):
            try:
                photo = path.read_bytes()
                squares.append([square(photo, size) for size in sizes])
            except OSError as error:
                problems[number] = error.strerror or str(error)
            except ValueError:
                problems[number] = "not a picture that can be decoded"
        predictions = [Prediction(path, np.nan, np.nan, None, problems.get(i, "")) for i, path in enumerate(paths)]
        if squares:
            answers = locate(self.model, [np.stack(one) for one in zip(*squares, strict=True)], MicroBatch(len(paths)))
            sure = [None] * len(answers) if answers.confidence is None else answers.confidence.tolist()
            good = [i for i in range(len(paths)) if i not in problems]
            for row, i in enumerate(good):
                lat, lon = float(answers.lat[row]), float(answers.lon[row])
                predictions[i] = Prediction(paths[i], lat, lon, sure[row], candidates=_ranked(answers, row))
        return predictions


def _ranked(answers: Answers, row: int) -> tuple[tuple[float, float, float], ...]:
    ranked = answers.candidates
    if ranked is None:
        return ()
    columns = (ranked.lat[row], ranked.lon[row], ranked.probability[row])
    return tuple(zip(*(column.tolist() for column in columns), strict=True))


def save_bundle(
    folder: Path, model: Geolocator, config: TrainConfig, metrics: dict[str, float], dataset: Dataset | dict[str, Any]
) -> None:
    """Write a model as it is, with the metrics that are to stand on its card; the folder is replaced as a whole.

    The dataset's name and numbers are written, its path is not; nor are the folders of the weights that it began with.
    """
    description: dict[str, Any] = {
        "format": FORMAT,
        "geotune": __version__,
        "config": config.model_copy(update={"data": ""}).model_dump(mode="json"),
        "model": model.plain(),
        "weights": model.starting_weights,
        "metrics": metrics,
        "dataset": _about(dataset, config),
    }
    for settings in (description["config"]["model"], description["model"]["model"]):
        settings["weights"], settings["start"] = (Path(settings[name]).name for name in ("weights", "start"))
    with new_folder(folder) as fresh:
        state = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in model.state_dict().items()}
        save_file(state, fresh / WEIGHTS)
        _write(fresh, description)


def add_metrics(folder: Path, metrics: dict[str, float]) -> None:
    """Add metrics, such as those of the test split, to a bundle's description and card."""
    description = read_description(folder)
    description["metrics"] |= metrics
    _write(folder, description)


def load_bundle(folder: Path | str, device: str = "auto", *, allow: Sequence[str] = ()) -> Bundle:
    """The model in a folder that `save_bundle` wrote, ready to predict; nothing in the folder is executed.

    One exception: a custom head is code of a package that is installed here; it is run where `allow` names the package.
    The folder of a run, whose `model/` it is, is taken too. Raises GeotuneError for a folder that is missing, no
    bundle, damaged, or of a newer geotune.
    """
    folder = bundle_folder(folder)
    description = read_description(folder)
    try:
        config = build(TrainConfig, description["config"], str(folder / DESCRIPTION))
        model = Geolocator.rebuild(description["model"], allow=allow)
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise _damaged(folder, error) from None
    model.to(choose_device(device)).eval()
    return Bundle(folder, model, config, description["metrics"], description["dataset"])


def _about(dataset: Dataset | dict[str, Any], config: TrainConfig) -> dict[str, Any]:
    if isinstance(dataset, dict):
        return dataset
    train = dataset.split("train").subset(config.input.fraction)
    return {
        "name": dataset.name,
        "extent": dataset.extent,
        "fingerprint": dataset.fingerprint,
        "photos": {**dataset.counts, "train": len(train)},
        "places": {**dataset.places, "train": len(np.unique(train.place))},
        "split_question": dataset.split_question,
    }


def _write(folder: Path, description: dict[str, Any]) -> None:
    for name, text in (
        (DESCRIPTION, json.dumps(description, indent=2, ensure_ascii=False) + "\n"),
        (CARD, card(description)),
    ):
        fresh = folder / f".{name}.tmp"
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(folder / name)


def bundle_folder(folder: Path | str) -> Path:
    """The folder itself; of a run the `model/` in it."""
    folder = Path(folder)
    inside = folder / "model"
    return inside if not (folder / DESCRIPTION).exists() and (inside / DESCRIPTION).is_file() else folder


def read_description(folder: Path) -> dict[str, Any]:
    """What model.json holds. Raises GeotuneError for no model, a damaged one, or one of a newer geotune."""
    if not (folder / DESCRIPTION).is_file():
        if folder.is_file():
            problem = f"{folder}: a file, not the folder of a model"
        elif folder.is_dir():
            problem = f"{folder}: no model ({DESCRIPTION} is missing)"
        else:
            problem = f"{folder}: no such folder"
        raise GeotuneError(problem, "A search leaves its model in runs/NAME/model, geotune train in its out= folder.")
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        version = description["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, error) from None
    if version != FORMAT:
        raise GeotuneError(
            f"{folder}: written by a newer geotune (format {version}, this one reads {FORMAT})",
            "pip install --upgrade geotune",
        )
    return dict(description)


def _damaged(folder: Path, error: Exception) -> GeotuneError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return GeotuneError(f"{folder}: the model is damaged ({reason})", "Export it again, or copy it again.")
