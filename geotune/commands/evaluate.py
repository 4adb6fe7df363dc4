"""`geotune evaluate`: how far off an exported model is on a dataset's photos."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from geotune.commands.settings_help import SettingsCommand
from geotune.config import Settings, build, parse_overrides
from geotune.errors import GeotuneError, SettingsError

if TYPE_CHECKING:
    from geotune.data.dataset import Dataset, Split
    from geotune.train.bundle import Bundle
    from geotune.train.evaluate import Evaluation


class Words(Settings):
    """Settings of an evaluation."""

    data: str = ""
    """Dataset folder"""
    split: Literal["train", "valid", "test"] = "test"
    """The photos to measure on; the test split answers honestly only as long as nothing was chosen by it"""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute"""


@click.command(cls=SettingsCommand)
@click.argument("model", metavar="MODEL")
@click.argument("words", nargs=-1, metavar="data=DIR [KEY=VALUE]…")
@click.option("--csv", "table", metavar="FILE", help="Also write a line a photo: place, prediction, error in km.")
def command(model: str, words: tuple[str, ...], table: str | None) -> None:
    """Measure an exported model on a dataset, with a 95 % interval over places.

    MODEL is its folder, or that of the run that made it.

    \b
    geotune evaluate runs/demo-1/model data=data/town
    geotune evaluate runs/demo-1/model data=data/town split=valid --csv errors.csv
    """
    given = build(
        Words, parse_overrides(words, lambda word: f"data={word}" if Path(word).is_dir() or "/" in word else "")
    )
    if not given.data:
        if not Path("data/dataset.json").exists():
            raise SettingsError([("data", "which dataset? Give its folder, as in data=data/town")])
        given = given.model_copy(update={"data": "data"})
    from geotune.data.dataset import open_dataset
    from geotune.train.bundle import load_bundle

    bundle, dataset = load_bundle(Path(model).expanduser(), given.device), open_dataset(given.data)
    path = Path(table).expanduser() if table else None
    with _beside(path) if path else nullcontext() as folder:  # before measuring, which takes long
        evaluation = measure(bundle, dataset, given.split)
        if path and folder:
            _write_table(path, folder, evaluation, dataset.split(given.split))


command.settings = ("geotune.commands.evaluate:Words",)


def measure(bundle: "Bundle", dataset: "Dataset", split_name: str) -> "Evaluation":
    """Evaluate a model on a split and print what came out."""
    from rich.console import Console

    from geotune.geo.metrics import PER_KM, UNIT, format_distance
    from geotune.train.evaluate import evaluate

    split, extent = dataset.split(split_name), bundle.extent
    console = Console(highlight=False, soft_wrap=True)
    with console.status(f"{len(split):,} photos") as status:
        evaluation = evaluate(bundle.model, split, lambda done, photos: status.update(f"{done:,} of {photos:,} photos"))

    def value(name: str) -> str:
        return format_distance(evaluation.metrics[f"{split_name}/{name}_{UNIT[extent]}"] / PER_KM[extent], extent)

    low, high = (format_distance(bound, extent) for bound in evaluation.interval_km())
    say = console.out
    say(f"{dataset.name}, {split_name} split: {len(split):,} photos of {len(set(split.place.tolist())):,} places")
    if dataset.split_question:
        say(f"how well does it do {dataset.split_question}?")
    say(f"  median error      {value('median')}  (95 % {low} to {high}, over places)")
    for name, words in (("mean", "mean error"), ("rmse", "RMSE"), ("p90", "90 % are within")):
        say(f"  {words:<16}  {value(name)}")
    for name, share in evaluation.metrics.items():
        radius = name.removeprefix(f"{split_name}/within_").removesuffix(UNIT[extent])
        if "/within_" in name:
            say(f"  {f'within {radius} {UNIT[extent]}':<16}  {100 * share:.1f} %")
    say(f"  baseline          {value('baseline')}  (median error of always saying the middle of the training places)")
    return evaluation


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A temporary folder beside a file that is to be written; GeotuneError where the file cannot be."""
    if path.is_dir():
        raise GeotuneError(f"{path}: is a folder", f"Name a file: --csv {path / 'errors.csv'}")
    try:
        folder = tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _unwritable(path, error) from None
    with folder as name:
        yield Path(name)


def _write_table(path: Path, folder: Path, evaluation: "Evaluation", split: "Split") -> None:
    from geotune.record.predictions import write_predictions

    columns = (split.ids, split.lat, split.lon, evaluation.lat, evaluation.lon, evaluation.errors_km)
    try:
        write_predictions(folder, *columns).replace(path)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> GeotuneError:
    return GeotuneError(f"{path}: cannot be written ({error.strerror})", "Name another file.")
