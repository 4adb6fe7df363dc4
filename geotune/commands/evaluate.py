"""`geotune evaluate`: how far off an exported model is on a dataset's photos."""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from pydantic import Field

from geotune.commands.settings_help import SettingsCommand
from geotune.config import Settings, from_words
from geotune.errors import GeotuneError, SettingsError

if TYPE_CHECKING:
    from geotune.data.dataset import Dataset, Split
    from geotune.geo.paired import Paired
    from geotune.train.evaluate import Evaluation


class Words(Settings):
    """Settings of an evaluation."""

    data: str = ""
    """Dataset folder"""
    split: Literal["train", "valid", "test"] = "test"
    """The photos to measure on; the test split answers honestly only as long as nothing was chosen by it"""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute"""
    neighbours: int = Field(20_000, ge=0)
    """Training photos at most among which the nearest by its features is looked for, as a baseline; 0 leaves it out"""


@click.command(cls=SettingsCommand)
@click.argument("model", metavar="MODEL")
@click.argument("words", nargs=-1, metavar="[MODEL_B] data=DIR [KEY=VALUE]…")
@click.option("--csv", "table", metavar="FILE", help="Also write a line a photo: place, prediction, error in km.")
@click.option("--json", "numbers", metavar="FILE", help="Also write all numbers with their intervals.")
@click.option("--allow", multiple=True, metavar="PACKAGE", help="Run the code of a custom head from this package.")
def command(model: str, words: tuple[str, ...], table: str | None, numbers: str | None, allow: tuple[str, ...]) -> None:
    """Measure an exported model on a dataset, with 95 % intervals over places, beside what simpler answers give.

    MODEL is its folder, or that of the run that made it. With a second one, a paired test says whether the two differ
    or whether that is noise.

    \b
    geotune evaluate runs/demo-1/model data=data/town
    geotune evaluate runs/demo-1/model data=data/town split=valid --csv errors.csv
    geotune evaluate runs/demo-1 runs/demo-2 data=data/town --json numbers.json
    """
    second, words = (words[0], words[1:]) if words and _is_model(words[0]) else ("", words)
    given = from_words(Words, words, lambda word: f"data={word}" if Path(word).is_dir() or "/" in word else "")
    if not given.data:
        if not Path("data/dataset.json").exists():
            raise SettingsError([("data", "which dataset? Give its folder, as in data=data/town")])
        given = given.model_copy(update={"data": "data"})
    from geotune.commands.evaluation import compare, measure
    from geotune.data.dataset import open_dataset
    from geotune.train.bundle import load_bundle

    folders = [Path(folder).expanduser() for folder in (model, second) if folder]
    bundles = [load_bundle(folder, given.device, allow=allow) for folder in folders]
    dataset = open_dataset(given.data)
    outputs = [Path(file).expanduser() if file else None for file in (table, numbers)]
    with ExitStack() as stack:
        beside: list[Path | None] = []
        for path in outputs:  # before measuring, which takes long
            beside.append(stack.enter_context(_beside(path)) if path else None)
        found = []
        for bundle, name in zip(bundles, (model, second), strict=False):
            if second:
                click.echo(f"{name}:")
            found.append(measure(bundle, dataset, given.split, given.neighbours))
        tests = compare(found[0], found[1], (model, second)) if second else []
        split, models = dataset.split(given.split), list(zip((model, second), found, strict=False))
        writers: list[Callable[[Path], Path]] = [
            lambda folder: _write_table(folder, found[0], split),
            lambda folder: _write_numbers(folder, dataset, models, tests),
        ]
        for path, folder, write in zip(outputs, beside, writers, strict=True):
            if path and folder:
                try:
                    write(folder).replace(path)
                except OSError as error:
                    raise _unwritable(path, error) from None


command.settings = ("geotune.commands.evaluate:Words",)


def _is_model(word: str) -> bool:
    """Whether a word names a model's folder, or a run's; only then is it no mistake for `data=`."""
    folder = Path(word).expanduser()
    return any((folder / inner).is_file() for inner in ("model.json", "model/model.json"))


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A temporary folder beside a file that is to be written; GeotuneError where the file cannot be."""
    if path.is_dir():
        raise GeotuneError(f"{path}: is a folder", f"Name a file in it: {path / 'errors'}")
    try:
        folder = tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _unwritable(path, error) from None
    with folder as name:
        yield Path(name)


def _write_table(folder: Path, evaluation: "Evaluation", split: "Split") -> Path:
    from geotune.record.predictions import write_predictions

    columns = (split.ids, split.lat, split.lon, evaluation.lat, evaluation.lon, evaluation.errors_km)
    return write_predictions(folder, *columns)


def _write_numbers(
    folder: Path, dataset: "Dataset", models: "list[tuple[str, Evaluation]]", tests: "list[Paired]"
) -> Path:
    from geotune.commands.evaluation import as_plain
    from geotune.record.folder import write_atomic

    path = folder / "numbers.json"
    write_atomic(path, json.dumps(as_plain(dataset, models, tests), indent=2, ensure_ascii=False) + "\n")
    return path


def _unwritable(path: Path, error: OSError) -> GeotuneError:
    return GeotuneError(f"{path}: cannot be written ({error.strerror})", "Name another file.")
