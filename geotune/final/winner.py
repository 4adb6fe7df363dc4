"""The weights that a full training begins with where the space says `full: {model.start: winner}`."""

import logging
from pathlib import Path

from geotune.config import build, load_yaml
from geotune.data.dataset import open_dataset
from geotune.errors import GeotuneError
from geotune.model.settings import WINNER
from geotune.record.folder import RunFolder, TrialFolder
from geotune.train import checkpoint
from geotune.train.bundle import DESCRIPTION, save_bundle
from geotune.train.identity import check_same, identity
from geotune.train.kept import kept
from geotune.train.run import build_model
from geotune.train.settings import TrainConfig

log = logging.getLogger(__name__)


def begin_with_winner(run: RunFolder, number: int, config: TrainConfig) -> TrainConfig:
    """The config with `model.start` as a folder: the trial's best epoch, written to `final/start/<trial>/` as a model.

    A full training that was begun goes on with what it began with. `model.start` is empty where no checkpoint of the
    trial can be used any more. Configs that begin otherwise are given back as they are.
    """
    if config.model.start != WINNER:
        return config
    folder = run.final.path / "start" / f"{number:04d}"
    exported = (folder / DESCRIPTION).is_file()
    if not (exported and run.final.can_go_on()):
        exported = _export(run.trial(number), folder) or exported
    start = str(folder) if exported else ""
    return config.model_copy(update={"model": config.model.model_copy(update={"start": start})})


def _export(trial: TrialFolder, folder: Path) -> bool:
    """Write the best epoch that the trial's newest usable checkpoint knows; False where there is none."""
    checkpoints = kept(trial.checkpoints)
    if not checkpoints:
        return False
    config = build(TrainConfig, load_yaml(trial.config), str(trial.config))
    dataset = open_dataset(config.data)
    model = build_model(config, dataset)
    for found in checkpoints:
        try:
            state = checkpoint.load(found)
            check_same(state["of"], identity(config, dataset, model), found)
            model.load_trainable_state(state["best_model"])
        except GeotuneError as error:
            log.warning("%s", error.problem)
            continue
        save_bundle(folder, model, config, {}, dataset)
        return True
    return False
