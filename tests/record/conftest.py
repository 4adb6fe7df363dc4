"""A small space and an open record on a made-up world dataset; no training: epochs are reported by the tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from geotune.record.folder import RunFolder
from geotune.record.plan import Plan
from geotune.record.record import Record
from geotune.record.space import Space

TREE: dict[str, Any] = {
    "goal": {"minimize": "valid/median"},
    "budget": {"trials": 12},
    "base": {"train.epochs": 9, "model.backbone": "resnet18"},
    "search": {
        "model.head.name": {"choice": ["regression", "cells"]},
        "model.head.alpha": {"log": [1e-3, 10], "zero": True, "when": {"model.head.name": ["regression"]}},
        "model.head.cells": {"choice": [32, 64], "when": {"model.head.name": ["cells"]}},
        "train.batch_size": {"pow2": [32, 1024]},
        "optim.lr": {"log": [1e-5, 1e-2]},
    },
    "first": [{"model.head.name": "regression", "train.batch_size": 64}],
    "full": {"train.epochs": 18},
}
DATA = {"path": "data", "extent": "world", "fingerprint": "f", "photos": {"train": 10}}


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunFolder]:
    def make(tree: dict[str, Any] = TREE, **asked: Any) -> RunFolder:
        run = RunFolder.create(tmp_path, "toy")
        plan = Plan.make(asked, Space.parse("toy", tree, {}), tree, {}, DATA)
        plan.write(run)
        return run

    return make


@pytest.fixture
def record(make_run: Callable[..., RunFolder]) -> Any:
    opened = Record(make_run())
    yield opened
    opened.close()
