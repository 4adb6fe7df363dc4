"""Fixtures that several folders of tests share."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from geotune.config import dump_yaml, nest

# Threads of torch that wait for each other sleep: spinning, as they do by default, took two thirds of the CPU time.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is imported, by processes that tests start too

# No test asserts on time, and a run is the same on every machine.
settings.register_profile("geotune", deadline=None, derandomize=True)
settings.load_profile("geotune")

pytest_plugins = ["tests.tiny_search"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of pytest's processes (scripts/test.sh: two) each takes whole files, and one all tests with a Ray in the process.

    Those that start geotune as a user would, with a Ray or without, are one's too: they share the process that forks.
    What takes longest comes first, so that both end at about the same time.
    """
    groups: dict[pytest.Item, str] = {}
    for item in items:
        shared = "two_nodes" in getattr(item, "fixturenames", ())
        inside = item.get_closest_marker("ray") and (shared or item.path.parent.name in ("search", "final"))
        forked = item.path.parent.name == "commands" and hasattr(getattr(item, "module", None), "processes")
        groups[item] = "ray" if inside else "commands" if forked else str(item.path)
        item.add_marker(pytest.mark.xdist_group(groups[item]))
    slow = {groups[item] for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (groups[item] not in ("ray", "commands"), groups[item] not in slow))


START = 1_700_000_000.0
"""Unix seconds at which a hand-made search began."""


class HandMadeRun:
    """A run folder written line by line as a search writes it, without running one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        search = {"optim.lr": {"log": [1e-4, 10]}, "model.head.cells": {"choice": [32, 64]}, "input.augment": {}}
        asked = {
            "goal": {"minimize": "valid/median_km"},
            "settings": {"space": "demo", "data": "data/<b>town</b>", "seed": 3, "trials": 4, "stopping": {"grace": 1}},
            "dataset": {"path": "data/<b>town</b>", "extent": "world", "fingerprint": "f00d"},
            "pins": {"input.augment": "none"},
            "space": {"name": "demo", "file": {"search": search}},
            "versions": {"torch": "2.6.0"},
        }
        (path / "search.yaml").write_text(dump_yaml(asked))

    def trial(self, number: int, **settings: Any) -> None:
        """Begin a trial; `settings` spell dots as two underscores."""
        flat = {"model.backbone": "resnet18", "model.head.name": "cells", "train.epochs": 3, "data": "data/town"}
        flat |= {key.replace("__", "."): value for key, value in settings.items()}
        folder = self.path / "trials" / f"{number:04d}"
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(dump_yaml(nest(flat)))

    def epoch(self, number: int | str, epoch: int, median_km: float) -> None:
        folder = self.path / "final" if number == "final" else self.path / "trials" / f"{number:04d}"
        metrics = {"valid/median_km": median_km, "train/loss": median_km / 100, "valid/within_25km": 0.5}
        line = {"epoch": epoch, "time": START + 60 * epoch + 0.25, "metrics": metrics}
        with (folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def outcome(self, number: int, state: str, value: float | None = None, reason: str = "") -> None:
        content = {"state": state, "value": value, "time": START + 600, "reason": reason}
        (self.path / "trials" / f"{number:04d}" / "outcome.json").write_text(json.dumps(content))

    def finish(self, number: int) -> None:
        """The full training of a trial's settings, tested."""
        folder = self.path / "final"
        folder.mkdir()
        config = (self.path / "trials" / f"{number:04d}" / "config.yaml").read_text()
        (folder / "config.yaml").write_text(config)
        head = f"# Trial {number} of {self.path.name}: valid/median_km 700\n"
        (self.path / "best.yaml").write_text(head + config)
        for epoch in (1, 2):
            self.epoch("final", epoch, 700.0 / epoch)
        test = {"test/median_km": 612.0, "test/within_25km": 0.125}
        content = {"number": number, "metrics": test, "low": 580.0, "high": 641.0, "baseline": 6204.0, "seconds": 90.0}
        (self.path / "final.json").write_text(json.dumps(content))


@pytest.fixture
def hand_made(tmp_path: Path) -> Callable[[str], HandMadeRun]:
    """`hand_made("demo-1")` -> a hand-made run in `tmp_path/runs`."""
    return lambda name: HandMadeRun(tmp_path / "runs" / name)


@pytest.fixture
def finished(hand_made: Callable[[str], HandMadeRun]) -> HandMadeRun:
    """A finished search: the best trial, a stopped one, a diverged one, one that crashed before its first epoch."""
    made = hand_made("demo-1")
    made.trial(0, optim__lr=0.001, model__head__cells=64)
    made.trial(1, optim__lr=0.1, model__head__cells=32)
    made.trial(2, optim__lr=3.0, model__head__cells=32)
    made.trial(3, optim__lr=0.01, model__head__cells=32)
    for epoch, value in enumerate((900.0, 750.0, 700.0), start=1):
        made.epoch(0, epoch, value)
    made.epoch(1, 1, 5000.0)
    made.epoch(2, 1, float("nan"))
    made.outcome(0, "complete", 700.0)
    made.outcome(1, "stopped", 5000.0, "worse than 3 of 4 trials at epoch 1")
    made.outcome(2, "diverged", None, "the loss is not finite")
    made.outcome(3, "crashed", None, "boom")
    made.finish(0)
    return made
