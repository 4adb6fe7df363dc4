"""Searches without trainings, for the bench of scale: run folders filled in bulk, and made-up learning curves."""

import json
import math
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from optuna.trial import TrialState

from geotune.config import dump_yaml, flatten, nest
from geotune.record.folder import RunFolder, TrialFolder
from geotune.record.outcome import Outcome
from geotune.record.plan import Plan
from geotune.record.proposals import Proposer
from geotune.record.space import Space
from geotune.record.standings import BASELINE, PACE
from geotune.record.study import TrialStudy
from geotune.record.trial import ATTEMPT, OUTCOME, REASON, SECONDS, SEEN
from geotune.search.executors.curves import Curve
from geotune.train.settings import TrainConfig

EPOCHS = 20
BASELINE_M = 264.0
SPACE: dict[str, Any] = {
    "base": {"train.epochs": EPOCHS},
    "search": {
        "model.backbone": {"choice": ["resnet18", "resnet50", "resnet101", "convnext_tiny", "efficientnet_b0"]},
        "model.frozen_layers": {"int": [0, 5]},
        "model.head.name": {"choice": ["regression", "cells", "hybrid"]},
        "model.head.alpha": {"log": [1e-3, 10], "zero": True, "when": {"model.head.name": ["regression", "hybrid"]}},
        "model.head.cells": {"choice": [32, 64, 128, 256], "when": {"model.head.name": ["cells", "hybrid"]}},
        "train.batch_size": {"pow2": [32, 1024]},
        "optim.lr": {"log": [1e-5, 1e-2]},
        "optim.backbone_lr_scale": {"log": [1e-2, 1]},
    },
}
"""Eight parameters, as in search_spaces/img2gps.yaml; TPE and ASHA as by default."""
DATA = {"path": "data/made", "extent": "region", "fingerprint": "made", "photos": {"train": 2000, "valid": 400}}
CHUNK = 500
"""Trials whose events are written at once."""


def new_run(runs: Path, trials: int, budget: int) -> RunFolder:
    """A run folder with its plan, named for so many trials, with a budget of so many."""
    run = RunFolder.create(runs, f"scale{trials}")
    Plan.make({"trials": budget}, Space.parse(run.name, SPACE, {}), SPACE, {}, DATA).write(run)
    return run


def fill(run: RunFolder, trials: int) -> None:
    """Have so many trials run to their end, in the study and in their folders, as the record would have left them."""
    plan = Plan.read(run)
    chance = Proposer(replace(plan, settings=plan.settings.model_copy(update={"sampler": "random"})))
    study = TrialStudy(run, plan)
    study.study.set_user_attr(BASELINE, BASELINE_M)
    text = ""
    for start in range(0, trials, CHUNK):
        with study.together():
            for number in range(start, min(start + CHUNK, trials)):
                params = chance.propose(number, [])
                config = plan.config({p.key: p.decode(params[p.key]) for p in plan.space.parameters if p.key in params})
                text = text or dump_yaml(nest(flatten(config)))  # the same for all: nobody reads it of a closed trial
                curve = made(config)
                _write(run.trial(number), text, curve)
                _tell(study, number, params, curve)
    study.close()
    run.best_yaml.write_text(text, encoding="utf-8")


def _tell(study: TrialStudy, number: int, params: Mapping[str, Any], curve: Curve) -> None:
    values = [metrics["valid/median_m"] for metrics in curve.metrics]
    study.add(params, {ATTEMPT: 1, SEEN: study.seen})
    study.attribute(number, PACE, {"seconds": curve.seconds[0], "photos": 2000.0})
    for epoch in range(1, EPOCHS + 1):
        study.report(number, epoch, min(values[:epoch]))
    for key, value in ((OUTCOME, Outcome.COMPLETE.value), (REASON, ""), (SECONDS, sum(curve.seconds))):
        study.attribute(number, key, value)
    study.close_trial(number, TrialState.COMPLETE, [min(values)], {"fits": -1.0, "finite": -1.0})


def _write(folder: TrialFolder, config: str, curve: Curve) -> None:
    folder.path.mkdir(parents=True)
    folder.config.write_text(config, encoding="utf-8")
    lines = [{"epoch": e, "time": 60.0 * e, "metrics": dict(found)} for e, found in enumerate(curve.metrics, start=1)]
    folder.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    value = min(found["valid/median_m"] for found in curve.metrics)
    folder.outcome.write_text(json.dumps({"state": "complete", "value": value, "time": 60.0 * EPOCHS, "reason": ""}))


def made(config: TrainConfig) -> Curve:
    """A learning curve that depends on the settings, and a little on chance; the same for the same settings.

    The error falls from that of the trivial answer; epochs take 5 to 20 seconds.
    """
    chance = random.Random(config.model_dump_json())
    off = math.log10(config.optim.lr) + 3.3
    least = 60.0 * (1 + 0.2 * off**2 + 0.05 * abs(config.model.frozen_layers - 2)) * chance.lognormvariate(0, 0.1)
    seconds, speed = chance.uniform(5, 20), chance.uniform(1.5, 6)
    found = []
    for epoch in range(1, EPOCHS + 1):
        median = least + (BASELINE_M - least) * math.exp(-epoch / speed) * chance.lognormvariate(0, 0.03)
        found.append({
            "valid/median_m": median, "valid/mean_m": 1.6 * median, "valid/baseline_m": BASELINE_M,
            "valid/within_100m": math.exp(-median / 100), "train/loss": median / 100, "train/seconds": seconds,
            "train/photos_per_second": 2000 / seconds, "train/waiting": 0.05, "train/peak_mb": 1500.0,
        })  # fmt: skip
    return Curve((seconds,) * EPOCHS, tuple(found))
