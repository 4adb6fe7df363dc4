"""What a trial is told is decided once, with the epoch that it reported: no kill, loss or pause decides it anew."""

from collections.abc import Callable
from typing import Any

import pytest

from geotune.record.folder import RunFolder
from geotune.record.record import Record
from geotune.record.trial import Assignment, Decision, Outcome
from tests.record.conftest import TREE

GOAL = "valid/median_km"
ALONE: dict[str, Any] = {"far": 0, "enough": 4}
"""ASHA without its look at the best."""


def issue(record: Record) -> Assignment:
    trial = record.issue()
    assert trial is not None
    return trial


def report(record: Record, trial: Assignment, value: float, *epochs: int) -> Decision:
    return [record.report(trial.number, trial.attempt, epoch, {GOAL: value}) for epoch in epochs][-1]


def rivals(record: Record, count: int, value: float = 10.0) -> None:
    """Trials that run to their end."""
    for _ in range(count):
        trial = issue(record)
        assert report(record, trial, value, *range(1, 10)) is Decision.GO_ON
        record.finish(trial.number, trial.attempt, Outcome.COMPLETE)


def killed(record: Record) -> Record:
    record.close()
    return Record(record.run)


def lost(record: Record) -> Record:
    record.give_back()
    return record


@pytest.mark.parametrize("after", [killed, lost])
def test_one_that_was_let_go_on_at_a_rung_does_so_although_better_ones_have_come(
    make_run: Callable[..., RunFolder], after: Callable[[Record], Record]
) -> None:
    record = Record(make_run(stopping=ALONE | {"grace": 2}))
    trial = issue(record)
    assert report(record, trial, 100.0, 1, 2) is Decision.GO_ON
    rivals(record, 5)
    record = after(record)
    again = issue(record)
    assert (again.number, again.attempt) == (trial.number, 2)
    assert report(record, again, 100.0, 1, 2) is Decision.GO_ON, "told again by the attempt that goes on"
    record.close()


@pytest.mark.parametrize("after", [killed, lost])
def test_one_that_was_trained_to_its_end_is_complete(
    make_run: Callable[..., RunFolder], after: Callable[[Record], Record]
) -> None:
    record = Record(make_run(stopping=ALONE | {"grace": 9}))
    rivals(record, 5)
    trial = issue(record)
    assert report(record, trial, 100.0, *range(1, 10)) is Decision.GO_ON
    record = after(record)
    again = issue(record)
    assert (again.number, again.attempt) == (trial.number, 2)
    assert report(record, again, 100.0, *range(1, 10)) is Decision.GO_ON
    record.finish(again.number, 2, Outcome.COMPLETE)
    assert record.trials()[again.number].state == "complete"
    record.close()


@pytest.mark.parametrize("after", [killed, lost])
def test_one_that_optunas_hyperband_stopped_stays_so(
    make_run: Callable[..., RunFolder], after: Callable[[Record], Record]
) -> None:
    """It counts each rung once: asked again, it would let the trial go on."""
    record = Record(make_run(stopping={"rule": "hyperband", "grace": 2}))
    value, trial = 100.0, issue(record)
    while report(record, trial, value, 1, 2) is Decision.GO_ON:
        assert report(record, trial, value, *range(3, 10)) is Decision.GO_ON
        record.finish(trial.number, 1, Outcome.COMPLETE)
        value, trial = value + 100, issue(record)
    record = after(record)
    assert issue(record).number == trial.number + 1
    assert record.trials()[trial.number].state == "stopped"
    assert record.trials()[trial.number].reason == "by the hyperband rule after epoch 2"
    record.close()


def test_a_rule_decides_in_a_search_that_is_being_ended_too(make_run: Callable[..., RunFolder]) -> None:
    """Else a trial that an undisturbed search stops would be due again."""
    record = Record(make_run(stopping=ALONE | {"grace": 2}))
    rivals(record, 4)
    behind, ahead = issue(record), issue(record)
    report(record, behind, 100.0, 1)
    report(record, ahead, 1.0, 1)
    record.end("interrupted")
    assert report(record, behind, 100.0, 2) is Decision.STOP
    record.finish(behind.number, 1, Outcome.STOPPED)
    assert report(record, ahead, 1.0, 2) is Decision.STOP
    record.finish(ahead.number, 1, Outcome.STOPPED)
    assert [view.state for view in record.trials()][4:] == ["stopped", "due"]
    assert record.trials()[behind.number].reason == "behind 4 of 4 other trials after 2 epochs"
    record.close()


@pytest.mark.parametrize("grace", [2, 5])
def test_who_keeps_every_limit_is_not_stopped_for_those_that_do_not(
    make_run: Callable[..., RunFolder], grace: int
) -> None:
    """The slow ones may be better, and cannot win; neither by their rung nor as the best of all are they a measure."""
    tree = TREE | {"where": {"seconds_per_epoch": "< 60"}}
    record = Record(make_run(tree, stopping={"grace": grace, "enough": 4 if grace == 2 else 40}))

    def told(trial: Assignment, value: float, seconds: float) -> Decision:
        epochs = range(1, grace + 1)
        metrics = {GOAL: value, "train/seconds": seconds}
        return [record.report(trial.number, 1, epoch, metrics) for epoch in epochs][-1]

    slow, fast = [issue(record) for _ in range(4)], [issue(record) for _ in range(3)]
    assert {told(trial, 10.0, 90.0) for trial in slow} == {Decision.GO_ON}
    assert {told(trial, 100.0, 30.0) for trial in fast} == {Decision.GO_ON}
    for trial in slow:
        record.finish(trial.number, 1, Outcome.STOPPED)
    assert told(issue(record), 90.0, 30.0) is Decision.GO_ON
    assert told(issue(record), 900.0, 30.0) is Decision.STOP, "behind those that keep it"
    assert told(issue(record), 900.0, 90.0) is Decision.STOP
    record.close()


def test_the_decision_is_written_with_the_epoch(make_run: Callable[..., RunFolder]) -> None:
    record = Record(make_run(stopping=ALONE | {"grace": 2}))
    rivals(record, 4)
    trial = issue(record)
    report(record, trial, 100.0, 1)
    before = record.run.journal.read_bytes()
    report(record, trial, 100.0, 2)
    added = record.run.journal.read_bytes().removeprefix(before).splitlines()
    assert b'"intermediate_value":100.0' in added[-2]
    assert b'"user_attr":{"stop":"behind 4 of 4' in added[-1]
    record.close()


def test_a_kill_between_the_two_leaves_the_decision_to_the_next_opening(make_run: Callable[..., RunFolder]) -> None:
    """Events of one step are one write to the disk, which a kill may still tear; nothing else has come since."""
    record = Record(make_run(stopping=ALONE | {"grace": 2}))
    rivals(record, 4)
    trial = issue(record)
    report(record, trial, 100.0, 1)
    whole = record.run.journal.stat().st_size
    assert report(record, trial, 100.0, 2) is Decision.STOP
    record.close()
    text = record.run.journal.read_bytes()
    record.run.journal.write_bytes(text[: text.index(b"\n", whole) + 1])
    again = Record(record.run)
    assert issue(again).number == trial.number + 1
    assert again.trials()[trial.number].state == "stopped"
    again.close()


def test_a_trial_that_was_trained_to_its_end_is_not_decided_on_at_the_next_opening(
    make_run: Callable[..., RunFolder],
) -> None:
    record = Record(make_run(stopping=ALONE | {"grace": 9}))
    rivals(record, 5)
    trial = issue(record)
    report(record, trial, 100.0, *range(1, 10))
    record = killed(record)
    assert "stop" not in record.study.get_trials()[trial.number].user_attrs
    record.close()
