"""Learning curves to replay: what a training run told, epoch by epoch, and how it ended."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from geotune.config import build, flatten, load_yaml
from geotune.errors import GeotuneError
from geotune.record.folder import RunFolder, TrialFolder, read_json
from geotune.record.outcome import Outcome
from geotune.train.settings import TrainConfig


@dataclass(frozen=True)
class Curve:
    """One training run: the seconds and the metrics of its epochs 1, 2, …"""

    seconds: tuple[float, ...]
    metrics: tuple[Mapping[str, float], ...]
    outcome: Outcome = Outcome.COMPLETE
    """How it ends after its last epoch; STOPPED where nobody knows how it would have gone on."""
    reason: str = ""


Curves = Callable[[TrainConfig], Curve]
"""The curve of a config."""


def recorded(run: RunFolder) -> Curves:
    """The curves of the trials of a run, by their settings; where the data lay makes no difference.

    An epoch takes its `train/seconds`. GeotuneError for settings that no trial of the run had.
    """
    found = {}
    for folder in run.trials():
        if folder.config.is_file():
            config = build(TrainConfig, flatten(load_yaml(folder.config)), str(folder.config))
            found[_key(config)] = _curve(folder)

    def curve(config: TrainConfig) -> Curve:
        if _key(config) not in found:
            mend = "replay it with its own space, seed, sampler and stopping rule"
            raise GeotuneError(f"{run.path}: no trial with these settings is recorded", mend)
        return found[_key(config)]

    return curve


def _key(config: TrainConfig) -> str:
    return config.model_copy(update={"data": ""}).model_dump_json()


def _curve(folder: TrialFolder) -> Curve:
    metrics = [{key: _number(value) for key, value in line["metrics"].items()} for line in folder.epochs()]
    ended = read_json(folder.outcome)
    return Curve(
        seconds=tuple(one.get("train/seconds", 0.0) for one in metrics),
        metrics=tuple(metrics),
        outcome=Outcome(ended.get("state", Outcome.STOPPED)),
        reason=ended.get("reason", ""),
    )


def _number(value: Any) -> float:
    """JSON's word for a NaN is none."""
    return math.nan if value is None else float(value)
