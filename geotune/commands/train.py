"""`geotune train`: one config, trained and exported; goes on where it was interrupted."""

import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from geotune.commands.settings_help import SettingsCommand
from geotune.commands.train_files import out_folder, read_file
from geotune.config import Flat, Settings, along_with, build, read_words
from geotune.errors import GeotuneError, SettingsError

if TYPE_CHECKING:
    from geotune.train.loop import Epoch
    from geotune.train.settings import TrainConfig

CHECKPOINT_SECONDS = 10.0
"""Time between checkpoints at least: epochs on ready features take a fraction of a second."""


class Words(Settings):
    """Words of this command that are no settings of a training run."""

    config: str = ""
    """A YAML file of settings, such as a search's best.yaml, or its run's folder; words given here come after it"""
    out: str = ""
    """Folder for the model and checkpoints; runs/train-N when empty"""


@click.command(cls=SettingsCommand)
@click.argument("words", nargs=-1, metavar="[KEY=VALUE]…")
@click.option("--test", is_flag=True, help="Measure the test split too, once, at the end.")
@click.option("--allow", multiple=True, metavar="PACKAGE", help="Begin with a model.start whose head is its code.")
def command(words: tuple[str, ...], test: bool, allow: tuple[str, ...]) -> None:
    """Train one config and export the best epoch.

    \b
    geotune train data=data/town                                  the default model
    geotune train config=runs/img2gps-1/best.yaml data=data/town  the winner of a search
    geotune train config=best.yaml train.epochs=60 out=runs/long  with changes
    geotune train model.start=runs/img2gps-1/model data=data/new  further, from a trained model

    The same command again goes on where an interrupted one stopped.
    """
    import logging

    from geotune.train.interrupt import Terminated, orderly
    from geotune.train.outcomes import Diverged, Infeasible

    own, config = read(words, allow)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        with out_folder(own.out, config) as out:
            try:
                with orderly():
                    best = _train(config, out)
            except KeyboardInterrupt as signal:
                click.echo(f"\ninterrupted; to go on: geotune train config={out / 'config.yaml'} out={out}", err=True)
                if isinstance(signal, Terminated):
                    sys.exit(143)
                raise
    except Diverged as error:
        raise GeotuneError(f"the training diverged: {error}", f"Try optim.lr={config.optim.lr / 10:g}.") from None
    except Infeasible as error:
        raise GeotuneError(f"the model does not fit: {error.problem}", error.mend) from None
    click.echo(f"model in {out / 'model'}: {best}")
    if test:
        _test(config, out / "model")
    click.echo(f"use it: geotune predict {out / 'model'} photo.jpg")


command.settings = ("geotune.commands.train:Words", "geotune.train.settings:TrainConfig")


def read(words: tuple[str, ...], allow: tuple[str, ...] = ()) -> tuple[Words, "TrainConfig"]:
    """The command's own words and the run's settings: those of model.start, the file's, then the command line's."""
    given, problems = read_words(words, _meant)
    with along_with(problems):
        own, config = _settle(given, allow)
    return own, config


def _settle(given: Flat, allow: tuple[str, ...]) -> tuple[Words, "TrainConfig"]:
    from geotune.data.remote.remote import absolute
    from geotune.train.settings import TrainConfig
    from geotune.train.start import settings_of_model

    own = build(Words, {key: given.pop(key) for key in list(given) if key in Words.model_fields})
    flat: Flat = {}
    if own.config:
        file, flat = read_file(Path(own.config).expanduser())
        build(TrainConfig, flat, str(file))  # its own problems name the file
    flat = _over(flat, given)
    if start := build(TrainConfig, {key: flat[key] for key in ("model.start",) if key in flat}).model.start:
        flat = _over(settings_of_model(start, flat, allow), flat)
    config = build(TrainConfig, flat)
    if not config.data:
        if not Path("data/dataset.json").exists():
            raise SettingsError([("data", "which dataset? Give its folder, as in data=data/town")])
        config = config.model_copy(update={"data": "data"})
    return own, config.model_copy(update={"data": absolute(config.data)})


def _over(flat: Flat, given: Flat) -> Flat:
    """Settings with others on top: another head drops the old one's, which it may not have."""
    if given.get("model.head.name", flat.get("model.head.name")) != flat.get("model.head.name"):
        flat = {key: value for key, value in flat.items() if not key.startswith("model.head.")}
    return flat | given


def _meant(word: str) -> str:
    """What a word without `=` was to be."""
    path = Path(word)
    if (path / "dataset.json").is_file():
        return f"data={word}"
    return f"config={word}" if path.suffix in (".yaml", ".yml") or (path / "best.yaml").is_file() else ""


def _train(config: "TrainConfig", out: Path) -> str:
    """Train to the end with a line an epoch; what was reached, in words."""
    from geotune.commands.train_display import Display, selected
    from geotune.record.folder import TrialFolder
    from geotune.train.loop import train

    folder = TrialFolder(out)
    saved = -math.inf  # the first: what a run began with in mid-epoch is deleted after it
    epoch: Epoch | None = None
    with Display(out / "progress.json", config.train.select) as display:
        for epoch in train(config, out, resume=folder.latest_checkpoint()):
            if epoch.replayed:
                continue
            display.epoch(epoch)
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                epoch.save(folder.checkpoint(1, epoch.number))
                folder.drop_checkpoints(keep=2)
                saved = time.monotonic()
        if epoch is None:
            raise RuntimeError("a training gives at least one epoch")
        epoch.save(folder.checkpoint(1, epoch.number))
        epoch.export(out / "model")
    return f"{' '.join(selected(epoch.best_metrics, config.train.select))} after epoch {epoch.best_epoch}"


def _test(config: "TrainConfig", folder: Path) -> None:
    from geotune.commands.evaluation import measure
    from geotune.data.dataset import open_dataset
    from geotune.train.bundle import add_metrics, load_bundle

    evaluation = measure(load_bundle(folder, config.device), open_dataset(config.data), "test")
    add_metrics(folder, evaluation.with_interval())
