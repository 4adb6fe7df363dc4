"""The full training: the winner's config with the space's `full` settings, then one look at the test split."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from geotune.config import build, dump_yaml, flatten, load_yaml, nest
from geotune.data.dataset import open_dataset
from geotune.errors import GeotuneError
from geotune.geo.metrics import UNIT
from geotune.geo.stats import Interval
from geotune.record.folder import RunFolder, TrialFolder, append_line, read_json, write_atomic
from geotune.record.plan import Plan
from geotune.record.predictions import write_predictions
from geotune.train.bundle import add_metrics, load_bundle
from geotune.train.evaluate import evaluate
from geotune.train.loop import Epoch, train
from geotune.train.settings import TrainConfig


@dataclass(frozen=True)
class Final:
    """What final.json holds: the full training's one look at the test split, in the extent's unit."""

    number: int
    """The trial whose settings were trained in full."""
    metrics: dict[str, float]
    """test/…"""
    low: float
    high: float
    """95 % interval of the test median, over places."""
    baseline: float
    """Test median of predicting one point."""
    unit: str
    seconds: float
    epochs: int
    intervals: dict[str, Interval] = field(default_factory=dict)
    """95 % interval of every metric, over places; {} in runs of before."""

    @property
    def median(self) -> float:
        return self.metrics[f"test/median_{self.unit}"]

    def __str__(self) -> str:
        numbers = [_number(value) for value in (self.median, self.low, self.high)]
        return f"test median {numbers[0]} {self.unit} (95 % {numbers[1]}-{numbers[2]})"


def affordable(config: TrainConfig, epoch_seconds: float, seconds_left: float) -> TrainConfig:
    """The config with as many epochs as fit into the time that is left: schedules must span what is really trained."""
    if seconds_left == float("inf") or epoch_seconds <= 0:
        return config
    fitting = max(1, int((seconds_left - 10.0) / (1.2 * epoch_seconds)))
    if fitting >= config.train.epochs:
        return config
    return config.model_copy(update={"train": config.train.model_copy(update={"epochs": fitting})})


def train_in_full(path: Path, number: int, config: TrainConfig, begin: Callable[..., Iterable[Epoch]] = train) -> Final:
    """Train into `final/` (going on where an earlier try was cut off), export to `model/`, test once.

    A run that has been tested is not tested again: its final.json is what comes back. `begin` is `train` or wraps it.
    """
    run = RunFolder.open(path)
    if (done := read_final(run)) is not None:
        return done
    plan, folder, started = Plan.read(run), run.final, time.time()
    known = folder.epochs()
    begun = _begun(folder)
    if begun is not None and folder.can_go_on() and _but_epochs(begun) == _but_epochs(config):
        config = begun  # its schedule spans the epochs that it began with
    else:
        known = []
        folder.metrics.unlink(missing_ok=True)
        folder.drop_checkpoints()
        write_atomic(folder.config, dump_yaml(nest(flatten(config))))
    last = None
    for last in begin(config, folder.path, resume=folder.latest_checkpoint()):
        last.save(folder.checkpoint(1, last.number))
        if last.number > len(known):
            append_line(folder.metrics, {"epoch": last.number, "time": time.time(), "metrics": last.metrics})
        folder.drop_checkpoints(keep=2)
    assert last is not None, "a training has at least one epoch"
    last.export(run.model)
    final = _test(run, plan, number, len(folder.epochs()), time.time() - started)
    write_atomic(folder.outcome, json.dumps({"state": "complete", "value": final.median, "time": time.time()}) + "\n")
    folder.drop_checkpoints()
    return final


def _begun(folder: TrialFolder) -> TrainConfig | None:
    """The config that an earlier try at the full training began with."""
    try:
        return build(TrainConfig, load_yaml(folder.config))
    except GeotuneError:
        return None


def _but_epochs(config: TrainConfig) -> dict[str, object]:
    return {key: value for key, value in flatten(config).items() if key != "train.epochs"}


def read_final(run: RunFolder) -> Final | None:
    """The result of a full training that is done, else None."""
    stored = read_json(run.final_json)
    return Final(**stored) if stored else None


def _test(run: RunFolder, plan: Plan, number: int, epochs: int, seconds: float) -> Final:
    dataset = open_dataset(plan.data)
    split = dataset.split("test")
    bundle = load_bundle(run.model)
    result = evaluate(bundle.model, split, dataset.split("train").subset(bundle.config.input.fraction))
    shown = (split.ids, split.lat, split.lon, result.lat, result.lon, result.errors_km)
    write_predictions(run.final.path, *shown)
    unit = UNIT[dataset.extent]
    metrics = result.with_interval()
    add_metrics(run.model, metrics)
    final = Final(
        number=number,
        metrics=metrics,
        low=metrics[f"test/median_low_{unit}"],
        high=metrics[f"test/median_high_{unit}"],
        baseline=metrics[f"test/baseline_{unit}"],
        unit=unit,
        seconds=seconds,
        epochs=epochs,
        intervals=result.intervals,
    )
    write_atomic(run.final_json, json.dumps(asdict(final)) + "\n")
    return final


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 20 else f"{value:.1f}"
