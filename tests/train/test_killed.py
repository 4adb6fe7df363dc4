"""A training that is killed at an instant and goes on comes to the same numbers as one that never was."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.train.killing import INSTANTS

CELLS = {"model.head.name": "cells", "model.head.cells": 8, "model.head.hidden": 8, "model.head.dropout": 0.2}


def killed(region: Path, folder: Path, changes: dict) -> dict:
    config = {
        "data": str(region),
        "device": "cpu",
        "model.backbone": "test_resnet",
        "model.weights": "none",
        "input.sizes": 32,
        "input.augment": "light",
        "train.epochs": 3,
        "train.batch_size": 16,
        "optim.lr": 3e-3,
    }
    command = [sys.executable, "-m", "tests.train.killing", str(folder)]
    done = subprocess.run(command, check=False, input=json.dumps(config | changes), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def check(results: dict) -> None:
    straight = results.pop("never")
    assert list(straight["metrics"]) == ["1", "2", "3"]
    for name, result in results.items():
        assert result["codes"][-1] == 0, name
        assert set(result["codes"][:-1]) == {143 if name == "SIGTERM" else -9}, name
        assert result["metrics"] == straight["metrics"], name
        assert result["weights"] == straight["weights"], name
        assert result["left"] == [], name


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [CELLS, {"model.frozen_layers": 5, "input.views": 2}, {"train.epoch_photos": 50, "train.ema": 0.9}],
    ids=["photos", "head", "stretches"],
)
def test_at_every_instant(region, tmp_path, changes):
    results = killed(region, tmp_path, changes)
    assert results.keys() == {"never", *INSTANTS}
    check(results)
