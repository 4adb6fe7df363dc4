"""What a proposal sees: of the first trials all that ended, later the study as the trial before was issued."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from geotune.record import ahead
from geotune.record.folder import RunFolder
from geotune.record.record import Record
from geotune.record.trial import Assignment, Decision, Outcome
from tests.record.conftest import TREE

GOAL = "valid/median_km"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "AHEAD", 6)


def advance(record: Record, running: list[tuple[Assignment, int]], chance: random.Random) -> None:
    """One epoch of one of the trials that run."""
    place = chance.randrange(len(running))
    trial, epoch = running[place]
    value = 100.0 + 1e4 * abs(trial.config.optim.lr - 1e-3) / epoch
    decision = record.report(trial.number, trial.attempt, epoch, {GOAL: value})
    running[place] = (trial, epoch + 1)
    if decision is Decision.STOP or epoch == 9:
        record.finish(trial.number, trial.attempt, Outcome.STOPPED if epoch < 9 else Outcome.COMPLETE)
        del running[place]


def search(record: Record, trials: int = 12) -> None:
    """Three workers in an order drawn by chance."""
    chance, running = random.Random(0), []
    while True:
        while len(running) < 3 and len(record.trials()) < trials:
            trial = record.issue()
            assert trial is not None
            running.append((trial, 1))
        if not running:
            return
        advance(record, running, chance)


def drawn(record: Record) -> list[Any]:
    return [view.drawn for view in record.trials()]


def events(run: RunFolder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.journal.read_text().splitlines()]


def creations(run: RunFolder) -> list[int]:
    return [position for position, event in enumerate(events(run)) if event["op_code"] == 4]


def test_each_trial_tells_what_its_proposal_saw(make_run: Callable[..., RunFolder]) -> None:
    record = Record(make_run())
    search(record)
    created = creations(record.run)
    seen = [trial.user_attrs["seen"] for trial in record.study.get_trials()]
    assert seen[:6] == created[:6], "all that there was"
    assert seen[6:] == [position + 1 for position in created[5:-1]], "what there was when the one before was issued"
    assert seen[6:] != created[6:]
    record.close()


def test_a_proposal_is_the_same_whether_prepared_in_another_thread_or_not(make_run: Callable[..., RunFolder]) -> None:
    found = []
    for background in (True, False):
        record = Record(make_run(), background=background)
        search(record)
        found.append(drawn(record))
        record.close()
    assert found[0] == found[1]


def test_after_a_kill_at_any_event_the_next_proposal_is_the_one_that_was_prepared(
    make_run: Callable[..., RunFolder], tmp_path: Path
) -> None:
    record = Record(make_run(trials=16))
    search(record, 12)
    lines = record.run.journal.read_bytes().splitlines(keepends=True)
    record.issue()
    wanted, seen = drawn(record)[12], record.proposed.seen
    record.close()
    for kill in range(creations(record.run)[11] + 1, len(lines) + 1, 3):
        copy = tmp_path / f"copy-{kill}"
        shutil.copytree(record.run.path, copy)
        (copy / "study.journal").write_bytes(b"".join(lines[:kill]))
        again = Record(RunFolder(copy))
        while (trial := again.issue()) is not None and trial.attempt > 1:
            pass
        assert trial is not None
        assert trial.number == 12
        assert (drawn(again)[12], again.proposed.seen) == (wanted, seen)
        again.close()


def test_a_trial_is_created_in_one_event(record: Record) -> None:
    """A kill leaves it whole or not at all."""
    before = len(events(record.run))
    record.issue()
    (event,) = events(record.run)[before:]
    assert event["user_attrs"] == {"attempt": 1, "seen": before}
    assert event["params"].keys() == {"model.head.name", "model.head.alpha", "train.batch_size", "optim.lr"}


def test_a_proposal_tells_when_it_was_begun_and_how_long_it_took(make_run: Callable[..., RunFolder]) -> None:
    clock = iter(range(1000))
    now = [0.0]
    record = Record(make_run(), now=lambda: now[0], background=False)
    for number in range(9):
        now[0] = float(10 * next(clock))
        trial = record.issue()
        assert trial is not None
        assert trial.number == number
        assert record.proposed.began == (now[0] if number <= 6 - 1 else now[0] - 10)
        assert (record.proposed.seconds > 0) == (number > 0), "the first point of the space is no proposal"
        now[0] += 5  # nothing is begun while a trial runs
        record.report(trial.number, 1, 1, {GOAL: 100.0})
    line = json.loads(record.run.trial(8).metrics.read_text())
    assert line["time"] == 85.0
    record.close()


def test_known_good_points_come_first_however_many(make_run: Callable[..., RunFolder]) -> None:
    sizes = [32, 64, 128, 256, 512, 1024, 64, 128]
    first = [{"model.head.name": "cells", "train.batch_size": size} for size in sizes]
    record = Record(make_run(TREE | {"first": first}))
    trials = [record.issue() for _ in range(9)]
    assert [trial.config.train.batch_size for trial in trials[:8] if trial] == sizes
    assert trials[8] is not None
    record.close()
