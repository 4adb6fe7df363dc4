"""`full: {model.start: winner}`: where the word may stand, and which trials' checkpoints are kept for it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from geotune.errors import SettingsError
from geotune.record.folder import RunFolder
from geotune.record.outcome import Outcome
from geotune.record.record import Record
from geotune.record.space import Space
from tests.record.conftest import TREE

FULL = {"model.start": "winner", "model.frozen_layers": 4, "train.epochs": 18}


def faults(tree: dict[str, Any], pins: dict[str, Any] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        Space.parse("toy", tree, pins or {})
    return " ".join(str(caught.value).split())


def test_the_word_stands_under_full_alone() -> None:
    Space.parse("toy", TREE | {"full": FULL}, {})
    Space.parse("toy", TREE | {"full": {"model": {"start": "winner"}}}, {})
    said = "only the full training can begin with the winner: full: {model.start: winner}"
    assert f"base.model.start {said}" in faults(TREE | {"base": {"model.start": "winner"}})
    assert f"model.start {said}" in faults(TREE, {"model.start": "winner"})
    searched = TREE["search"] | {"model.start": {"choice": ["runs/a/model", "winner"]}}
    assert f"search.model.start {said}" in faults(TREE | {"search": searched})


def test_what_the_weights_decide_cannot_be_changed_beside_it() -> None:
    text = faults(TREE | {"full": FULL | {"model.backbone": "resnet50", "model.head.cells": 64, "input.sizes": [64]}})
    for key in ("model.backbone", "model.head.cells", "input.sizes"):
        assert f"full.{key} the full training has it from the winner (full.model.start=winner): leave it out" in text


@pytest.fixture
def from_winner(make_run: Callable[..., RunFolder]) -> Iterator[Record]:
    opened = Record(make_run(TREE | {"full": FULL}, **{"stopping.rule": "none"}))
    yield opened
    opened.close()


def end(record: Record, value: float, outcome: Outcome = Outcome.COMPLETE) -> None:
    """A trial that saves a checkpoint, reaches a value and ends."""
    trial = record.issue()
    assert trial is not None
    for epoch in (1, 2):
        trial.checkpoint(epoch).mkdir(parents=True)
        record.report(trial.number, trial.attempt, epoch, {"valid/median_km": value})
    record.finish(trial.number, trial.attempt, outcome)


def kept(record: Record) -> dict[int, list[str]]:
    found = {folder.number: [path.name for path in folder.checkpoints.glob("*")] for folder in record.run.trials()}
    return {number: names for number, names in found.items() if names}


def test_the_best_three_keep_their_newest_checkpoint(from_winner: Record) -> None:
    record = from_winner
    for value, outcome in ((5.0, Outcome.COMPLETE), (4.0, Outcome.STOPPED), (1.0, Outcome.DIVERGED)):
        end(record, value, outcome)
    assert kept(record) == {0: ["1-2"], 1: ["1-2"]}
    end(record, 3.0)
    end(record, 2.0)
    assert kept(record) == {1: ["1-2"], 3: ["1-2"], 4: ["1-2"]}
    record.close()
    again = Record(record.run)
    end(again, 2.5)
    assert kept(again) == {3: ["1-2"], 4: ["1-2"], 5: ["1-2"]}, "also when it is opened anew"
    again.drop_kept()
    assert kept(again) == {}
    again.close()


def test_without_it_none_is_kept(make_run: Callable[..., RunFolder], tmp_path: Path) -> None:
    record = Record(make_run(**{"stopping.rule": "none"}))
    end(record, 5.0)
    assert kept(record) == {}
    record.close()
