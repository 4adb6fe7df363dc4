"""What the study holds of a trial, what is shown of it, and that an opened run shows the same."""

import json
import math
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from optuna.trial import TrialState

from geotune.config import load_yaml
from geotune.record.folder import RunFolder, read_json
from geotune.record.history import read_history
from geotune.record.record import Record
from geotune.record.trial import Assignment, Decision, Outcome
from tests.record.conftest import TREE

GOAL = "valid/median_km"


def issue(record: Record) -> Assignment:
    trial = record.issue()
    assert trial is not None
    return trial


def play(record: Record, value: float, outcome: Outcome = Outcome.COMPLETE, epochs: int = 9, **metrics: float) -> int:
    """A trial that gets better epoch by epoch; other metrics with / for __."""
    trial = issue(record)
    others = {key.replace("__", "/"): metric for key, metric in metrics.items()}
    for epoch in range(1, epochs + 1):
        record.report(trial.number, trial.attempt, epoch, {GOAL: value / epoch} | others)
    record.finish(trial.number, trial.attempt, outcome, "why")
    return trial.number


def reopened(record: Record) -> Record:
    record.close()
    return Record(record.run)


def test_a_reopened_run_shows_its_trials_from_the_study_alone(record: Record) -> None:
    for outcome in (Outcome.COMPLETE, Outcome.STOPPED, Outcome.DIVERGED, Outcome.INFEASIBLE):
        play(record, 100.0, outcome, epochs=3, train__seconds=2.0)
    for attempt in (1, 2, 3):
        trial = issue(record)
        if attempt == 1:
            record.report(trial.number, 1, 1, {GOAL: 70.0, "train/seconds": 4.0})
            record.lost(trial.number, 1, "boom")
        else:
            record.finish(trial.number, attempt, Outcome.CRASHED, "boom")
    record.finish(issue(record).number, 4, Outcome.CRASHED, "boom")
    before = record.trials()
    assert [view.state for view in before] == ["complete", "stopped", "diverged", "infeasible", "crashed"]
    assert [view.seconds for view in before] == [6.0, 6.0, 6.0, 6.0, 4.0]
    assert [view.reason for view in before] == ["why"] * 4 + ["boom"]
    assert [view.epochs for view in before] == [3, 3, 3, 3, 1]
    for view in before:
        folder = record.run.trial(view.number)
        folder.metrics.rename(folder.path / "elsewhere")
    again = reopened(record)
    assert str(again.trials()) == str(before)
    assert again.trials()[0].values == {1: 100.0, 2: 50.0, 3: pytest.approx(100 / 3)}, "its folder is lost"
    assert [view.number for view in again.ranked()] == [view.number for view in record.ranked()]
    again.close()


def test_the_first_goals_values_epoch_by_epoch_are_read_when_asked_for(record: Record) -> None:
    trial = issue(record)
    for epoch, value in enumerate((100.0, 120.0, math.nan), start=1):
        record.report(trial.number, 1, epoch, {GOAL: value})
    record.finish(trial.number, 1, Outcome.STOPPED)
    again = reopened(record)
    (view,) = again.trials()
    assert (view.best, view.epochs) == (100.0, 3)
    assert str(view.values) == "{1: 100.0, 2: 120.0, 3: nan}"
    again.close()


def test_how_long_and_how_large_epochs_are_stands_in_the_study_from_the_first_on(record: Record) -> None:
    trial = issue(record)
    found = []
    for epoch, seconds in enumerate((8.0, 2.0, 2.0), start=1):
        metrics = {GOAL: 100.0 / epoch, "train/seconds": seconds, "train/photos_per_second": 800 / seconds}
        record.report(trial.number, 1, epoch, metrics)
        found.append(record.study.get_trials()[0].user_attrs["pace"])
    assert found == [{"seconds": 8.0, "photos": 800.0}, {"seconds": 5.0, "photos": 800.0}, found[1]]


def test_a_stopped_trial_says_why(record: Record) -> None:
    trial = issue(record)
    assert record.report(trial.number, 1, 1, {GOAL: math.nan}) is Decision.STOP
    record.finish(trial.number, 1, Outcome.STOPPED)
    assert record.trials()[0].reason == "its error is not a number after epoch 1"


def test_what_a_kill_left_out_after_the_end_of_a_trial_is_made_good(make_run: Callable[..., RunFolder]) -> None:
    tree = TREE | {"full": {"model.start": "winner"}}
    record = Record(make_run(tree))
    number = play(record, 100.0)
    folder = record.run.trial(number)
    outcome = read_json(folder.outcome)
    for epoch in (8, 9):
        folder.checkpoint(1, epoch).mkdir(parents=True)
    folder.outcome.unlink()  # killed here: told, and not yet written
    again = reopened(record)
    assert read_json(folder.outcome) == outcome | {"time": pytest.approx(outcome["time"], abs=100)}
    assert [path.name for path in folder.checkpoints.iterdir()] == ["1-9"]
    again.close()


@pytest.mark.parametrize("instant", ["before its outcome stands", "as its outcome is written"])
def test_a_kill_while_a_trial_is_cleared_up_leaves_no_checkpoint_behind(
    make_run: Callable[..., RunFolder], instant: str
) -> None:
    record = Record(make_run(TREE | {"full": {"model.start": "winner"}}))
    numbers = [play(record, 100.0 + place) for place in range(3)]
    overtaken = record.run.trial(numbers[-1])
    overtaken.checkpoint(1, 9).mkdir(parents=True)
    trial = issue(record)
    folder = record.run.trial(trial.number)
    folder.checkpoint(1, 1).mkdir(parents=True)
    folder.checkpoint(1, 2).mkdir(parents=True)
    record.report(trial.number, 1, 1, {GOAL: 1.0})
    folder.outcome.mkdir()  # so it ends there
    with pytest.raises(OSError, match="directory"):
        record.finish(trial.number, 1, Outcome.STOPPED)
    folder.outcome.rmdir()
    if instant == "before its outcome stands":  # nor had anything been deleted
        folder.checkpoint(1, 1).mkdir(exist_ok=True)
        overtaken.checkpoint(1, 9).mkdir(parents=True, exist_ok=True)
    else:
        assert [path.name for path in folder.checkpoints.iterdir()] == ["1-2"]
    again = reopened(record)
    assert [path.name for path in folder.checkpoints.iterdir()] == ["1-2"]
    assert not overtaken.checkpoints.exists()
    assert folder.outcome.is_file()
    again.close()


# ---------------------------------------------------------------------------------- where


def limited(make_run: Callable[..., RunFolder], **where: str) -> Record:
    return Record(make_run(TREE | {"where": {key.replace("__", "/"): text for key, text in where.items()}}))


def test_a_trial_beyond_a_limit_never_ranks_before_a_sound_one_that_keeps_it_and_says_so(
    make_run: Callable[..., RunFolder],
) -> None:
    record = limited(make_run, seconds_per_epoch="< 60", train__peak_mb="<= 8000")
    slow = play(record, 10.0, train__seconds=90.0, train__peak_mb=8000.0)
    poor = play(record, 500.0, train__seconds=30.0, train__peak_mb=8000.0)
    failed = play(record, 200.0, Outcome.DIVERGED, train__seconds=30.0, train__peak_mb=10.0)
    large = play(record, 5.0, train__seconds=70.0, train__peak_mb=9000.0)
    for opened in (record, reopened(record)):
        assert [view.number for view in opened.ranked()] == [poor, large, slow, failed]
        told = read_history(opened.run.path).ranked()
        assert [trial.name for trial in told] == [str(view.number) for view in opened.ranked()], "whoever looks"
        broken = {view.number: view.breaks for view in opened.trials()}
        assert broken[poor] == ()
        assert broken[slow] == ("seconds_per_epoch < 60",)
        assert broken[large] == ("seconds_per_epoch < 60", "train/peak_mb <= 8000")
        best = load_yaml(opened.run.best_yaml)
        assert best == load_yaml(opened.run.trial(poor).config)
    opened.close()


def test_a_crashed_trial_that_broke_a_limit_is_no_better_for_its_crash(make_run: Callable[..., RunFolder]) -> None:
    record = limited(make_run, seconds_per_epoch="< 60")
    trial = issue(record)
    record.report(trial.number, 1, 1, {GOAL: 10.0, "train/seconds": 90.0})
    record.lost(trial.number, 1)
    for attempt in (2, 3, 4):
        record.finish(issue(record).number, attempt, Outcome.CRASHED, "boom")
    slow = play(record, 100.0, Outcome.STOPPED, epochs=2, train__seconds=90.0)
    assert record.trials()[0].state == "crashed"
    for opened in (record, reopened(record)):
        assert [view.number for view in opened.ranked()] == [slow, trial.number]
        assert opened.trials()[0].breaks == ("seconds_per_epoch < 60",)
    assert [trial.name for trial in read_history(record.run.path).ranked()] == [str(slow), str(trial.number)]
    opened.close()


def test_a_running_trial_that_breaks_a_limit_does_not_lead(make_run: Callable[..., RunFolder]) -> None:
    record = limited(make_run, seconds_per_epoch="< 60")
    one, other = issue(record), issue(record)
    record.report(one.number, 1, 1, {GOAL: 10.0, "train/seconds": 90.0})
    assert record.best() is record.ranked()[0]
    record.report(other.number, 1, 1, {GOAL: 99.0, "train/seconds": 9.0})
    assert [view.number for view in record.ranked()] == [other.number, one.number]
    record.report(one.number, 1, 2, {GOAL: 9.0, "train/seconds": 9.0})  # its first epoch was slow
    assert [view.number for view in record.ranked()] == [one.number, other.number]
    record.close()


def test_every_trial_but_a_crashed_one_tells_the_sampler_the_same_limits(make_run: Callable[..., RunFolder]) -> None:
    record = limited(make_run, seconds_per_epoch="< 60")
    for outcome in (Outcome.COMPLETE, Outcome.STOPPED, Outcome.DIVERGED, Outcome.INFEASIBLE):
        play(record, 100.0, outcome, epochs=0 if outcome is Outcome.INFEASIBLE else 9, train__seconds=90.0)
    found = [trial.constraints for trial in record.study.get_trials()]
    assert [list(one) for one in found] == [["fits", "finite", "seconds_per_epoch < 60"]] * 4
    limits = [one["seconds_per_epoch < 60"] for one in found]
    assert limits == [0.5, 0.5, 0.5, -1.0], "nothing is known against one that never ran"
    for _ in range(3):
        trial = issue(record)
        record.finish(trial.number, trial.attempt, Outcome.CRASHED, "boom")
    crashed = record.study.get_trials()[4]
    assert (crashed.state, crashed.constraints) == (TrialState.FAIL, {})
    record.close()


# ---------------------------------------------------------------------------------- several goals


def two_goals(make_run: Callable[..., RunFolder], **words: Any) -> Record:
    tree = TREE | {"goal": {"minimize": ["valid/median", "train/seconds"]}, **words}
    return Record(make_run(tree))


def test_with_two_goals_a_complete_trial_tells_both_as_they_were_at_its_best_epoch(
    make_run: Callable[..., RunFolder],
) -> None:
    record = two_goals(make_run)
    trial = issue(record)
    for epoch in range(1, 10):
        value = 100.0 if epoch == 4 else 200.0
        metrics = {GOAL: value, "train/seconds": float(epoch)}
        assert record.report(trial.number, 1, epoch, metrics) is Decision.GO_ON
    record.finish(trial.number, 1, Outcome.COMPLETE)
    stored = record.study.get_trials()[0]
    assert stored.values == [100.0, 4.0]
    assert list(stored.intermediate_values.values()) == [200.0] * 3 + [100.0] * 6
    for opened in (record, reopened(record)):
        (view,) = opened.trials()
        assert (view.state, view.best, view.objectives) == ("complete", 100.0, (100.0, 4.0))
    opened.close()


def test_with_two_goals_the_winner_is_best_by_the_first_and_the_front_are_the_compromises(
    make_run: Callable[..., RunFolder],
) -> None:
    record = two_goals(make_run, where={"train/peak_mb": "< 100"}, stopping={"rule": "none"})
    points = [(90.0, 9.0), (45.0, 20.0), (180.0, 3.0), (95.0, 10.0), (50.0, 20.0), (9.0, 1.0)]
    for number, (value, seconds) in enumerate(points):
        play(record, value, train__seconds=seconds, train__peak_mb=200.0 if number == 5 else 50.0)
    play(record, 900.0, Outcome.STOPPED, epochs=2, train__seconds=1.0, train__peak_mb=50.0)
    for opened in (record, reopened(record)):
        best = opened.best()
        assert best is not None
        assert best.number == 1
        assert [view.number for view in opened.front()] == [1, 0, 2]
    opened.close()


def test_the_stopping_rule_goes_by_the_first_of_two_goals(make_run: Callable[..., RunFolder]) -> None:
    record = two_goals(make_run)
    for value in (100.0, 110.0, 120.0):
        play(record, value, train__seconds=100.0)
    trial = issue(record)
    record.report(trial.number, 1, 1, {GOAL: 1000.0, "train/seconds": 1.0})
    assert record.report(trial.number, 1, 2, {GOAL: 1000.0, "train/seconds": 1.0}) is Decision.STOP
    record.finish(trial.number, 1, Outcome.STOPPED)
    stored = record.study.get_trials()[trial.number]
    assert (stored.state, stored.values) == (TrialState.PRUNED, None)
    assert issue(record).number == 4
    record.close()


def test_a_goal_that_a_trial_does_not_report_makes_it_no_complete_one(make_run: Callable[..., RunFolder]) -> None:
    """Optuna takes no trial with a part of its values."""
    record = two_goals(make_run)
    play(record, 100.0)
    assert record.study.get_trials()[0].state is TrialState.PRUNED
    assert [view.state for view in record.trials()] == ["complete"]
    assert record.front() == []
    record.close()


# ---------------------------------------------------------------------------------- the journal


def test_the_end_of_a_trial_is_written_at_once(record: Record) -> None:
    trial = issue(record)
    record.report(trial.number, 1, 1, {GOAL: 100.0})
    before = record.run.journal.stat().st_size
    sizes = set()
    together = record._study.together

    def watched() -> Any:
        sizes.add(record.run.journal.stat().st_size)
        return together()

    record._study.together = watched  # type: ignore[method-assign]
    record.finish(trial.number, 1, Outcome.STOPPED, "why")
    assert sizes == {before}
    text = record.run.journal.read_bytes()[before:].decode()
    assert [json.loads(line)["op_code"] for line in text.splitlines()] == [8, 8, 8, 9, 9, 6]


def test_an_end_that_was_half_written_is_written_again(make_run: Callable[..., RunFolder]) -> None:
    record = Record(make_run())
    before = record.run.journal.stat().st_size
    number = play(record, 100.0, Outcome.DIVERGED)
    record.close()
    lines = record.run.journal.read_bytes().splitlines(keepends=True)
    assert len(b"".join(lines)) > before
    for kill in range(len(lines) - 5, len(lines)):
        copy = record.run.path.with_name(f"toy-{kill + 100}")
        shutil.copytree(record.run.path, copy)
        (copy / "study.journal").write_bytes(b"".join(lines[:kill]))
        again = Record(RunFolder(copy))
        trial = issue(again)
        assert (trial.number, trial.attempt) == (number, 2)
        again.finish(number, 2, Outcome.COMPLETE)
        stored = again.study.get_trials()[number]
        assert (stored.state, stored.constraints["finite"]) == (TrialState.COMPLETE, -1.0)
        assert again.trials()[number].state == "complete"
        again.close()


def test_a_trial_that_was_told_to_stop_and_given_back_does_not_go_on(make_run: Callable[..., RunFolder]) -> None:
    record = Record(make_run())
    for value in (100.0, 110.0, 120.0):
        play(record, value)
    trial = issue(record)
    record.report(trial.number, 1, 1, {GOAL: 1000.0})
    assert record.report(trial.number, 1, 2, {GOAL: 1000.0}) is Decision.STOP
    record.give_back()
    assert issue(record).number == trial.number + 1
    assert record.trials()[trial.number].state == "stopped"
    record.close()


def test_what_a_limit_had_ended_goes_on_when_the_budget_is_raised(record: Record) -> None:
    play(record, 100.0)
    record.end("time")
    again = reopened(record)
    assert again.done
    again.open_budget(12)
    assert (again.ending, again.done) == ("", False)
    again = reopened(again)
    assert play(again, 100.0) == 1, "and it is remembered"
    again.close()
