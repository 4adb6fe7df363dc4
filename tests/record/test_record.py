"""The record: what is issued, what is decided, and what is due after a kill."""

import math
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from geotune.config import flatten, load_yaml
from geotune.errors import GeotuneError
from geotune.record.folder import RunFolder, read_json
from geotune.record.history import read_history
from geotune.record.record import Record
from geotune.record.trial import Assignment, Decision, Outcome
from geotune.train.settings import LoopSettings, OptimSettings, TrainConfig
from tests.record.conftest import TREE

GOAL = "valid/median_km"


def play(record: Record, trial: Assignment, value: float, epochs: int = 9) -> Decision:
    for epoch in range(1, epochs + 1):
        if record.report(trial.number, trial.attempt, epoch, {GOAL: value / epoch}) is Decision.STOP:
            record.finish(trial.number, trial.attempt, Outcome.STOPPED)
            return Decision.STOP
    record.finish(trial.number, trial.attempt, Outcome.COMPLETE)
    return Decision.GO_ON


def issue(record: Record) -> Assignment:
    trial = record.issue()
    assert trial is not None
    return trial


def test_the_first_point_comes_first_with_defaults_for_what_it_leaves_out(record: Record) -> None:
    trial = issue(record)
    assert (trial.number, trial.attempt, trial.resume_from) == (0, 1, None)
    assert trial.config.train.batch_size == 64
    assert trial.config.model.head.alpha == 0.1  # the setting's default, not a draw
    assert trial.config.optim.lr == 1e-3
    assert trial.config.data == "data"


def test_trials_end_with_the_budget(record: Record) -> None:
    numbers = []
    while (trial := record.issue()) is not None:
        numbers.append(trial.number)
        play(record, trial, 100.0 + trial.number)
    assert numbers == list(range(12))
    assert record.done


def test_what_a_trial_drew_stands_in_its_config(record: Record) -> None:
    for _ in range(6):
        trial = issue(record)
        assert load_yaml(record.run.trial(trial.number).config) == trial.config.model_dump(mode="json")
        play(record, trial, 50.0)


def test_the_worse_of_equals_is_stopped_and_keeps_its_values(record: Record) -> None:
    for value in (100.0, 110.0, 120.0):
        assert play(record, issue(record), value) is Decision.GO_ON
    bad = issue(record)
    assert play(record, bad, 1000.0) is Decision.STOP
    stored = record.study.get_trials()[bad.number]
    assert stored.state is TrialState.PRUNED
    assert stored.intermediate_values == {1: 1000.0, 2: 500.0}
    assert read_json(record.run.trial(bad.number).outcome)["state"] == "stopped"


def test_a_trial_at_the_trivial_baseline_is_stopped_in_an_empty_rung(record: Record) -> None:
    trial = issue(record)
    metrics = {GOAL: 6150.0, "valid/baseline_km": 6200.0}
    assert record.report(trial.number, trial.attempt, 1, metrics) is Decision.GO_ON
    assert record.report(trial.number, trial.attempt, 2, metrics) is Decision.STOP


def test_best_yaml_is_current_after_every_report(record: Record) -> None:
    first, second = issue(record), issue(record)
    record.report(first.number, first.attempt, 1, {GOAL: 300.0})
    assert load_yaml(record.run.best_yaml) == first.config.model_dump(mode="json")
    record.report(second.number, second.attempt, 1, {GOAL: 200.0})
    assert load_yaml(record.run.best_yaml) == second.config.model_dump(mode="json")
    record.report(first.number, first.attempt, 2, {GOAL: 250.0})
    assert load_yaml(record.run.best_yaml) == second.config.model_dump(mode="json")


def test_a_trial_that_fails_in_the_end_no_longer_leads(record: Record) -> None:
    first, second = issue(record), issue(record)
    record.report(first.number, 1, 1, {GOAL: 300.0})
    record.report(second.number, 1, 1, {GOAL: 200.0})
    record.finish(second.number, 1, Outcome.DIVERGED)
    assert load_yaml(record.run.best_yaml) == first.config.model_dump(mode="json")


def test_one_bad_epoch_takes_nothing_away(record: Record) -> None:
    """The study holds what the trial had reached after each epoch: that is what every rule and sampler compares."""
    for _ in range(4):
        trial = issue(record)
        record.report(trial.number, 1, 1, {GOAL: 300.0})
        record.report(trial.number, 1, 2, {GOAL: 300.0})
    trial = issue(record)
    record.report(trial.number, 1, 1, {GOAL: 100.0})
    assert record.report(trial.number, 1, 2, {GOAL: 900.0}) is Decision.GO_ON
    assert record.study.get_trials()[trial.number].intermediate_values == {1: 100.0, 2: 100.0}
    assert record.trials()[-1].values == {1: 100.0, 2: 900.0}


def smoothed(make_run: Callable[..., RunFolder], **changes: Any) -> Record:
    return Record(make_run({**TREE, "base": {**TREE["base"], "train.selection": "smoothed"}, **changes}))


def test_a_lucky_epoch_does_not_win_where_three_are_averaged(make_run: Callable[..., RunFolder]) -> None:
    record = smoothed(make_run)
    lucky, steady = issue(record), issue(record)
    for epoch, (one, other) in enumerate([(90.0, 300.0), (600.0, 300.0), (600.0, 300.0), (600.0, 240.0)], start=1):
        record.report(lucky.number, 1, epoch, {GOAL: one})
        leads = load_yaml(record.run.best_yaml)
        assert leads == (lucky if epoch == 1 else steady).config.model_dump(mode="json")
        record.report(steady.number, 1, epoch, {GOAL: other})
    expected = {lucky.number: [90.0, 345.0, 430.0, 430.0], steady.number: [300.0, 300.0, 300.0, 280.0]}
    for number, values in expected.items():
        assert list(record.study.get_trials()[number].intermediate_values.values()) == pytest.approx(values)
    record.finish(steady.number, 1, Outcome.COMPLETE)
    assert record.study.get_trials()[steady.number].value == pytest.approx(280.0)
    record.close()
    again = Record(record.run)
    assert [(view.number, view.best) for view in again.ranked()] == [
        (steady.number, pytest.approx(280.0)),
        (lucky.number, pytest.approx(430.0)),
    ]
    assert again.trials()[0].values == {1: 90.0, 2: 600.0, 3: 600.0, 4: 600.0}
    history = read_history(record.run.path)
    assert [(trial.name, trial.best(history.goal)) for trial in history.ranked()] == [
        (str(view.number), view.best) for view in again.ranked()
    ]
    again.close()


def test_a_rung_compares_what_three_epochs_reached(make_run: Callable[..., RunFolder]) -> None:
    """The same epochs: by their best the last trial stays, by three in a row it is stopped."""
    stopping = {"grace": 3, "enough": 4}
    decisions = {}
    for rule in ("best", "smoothed"):
        tree = {**TREE, "base": {**TREE["base"], "train.selection": rule}, "stopping": stopping}
        record = Record(make_run(tree))
        for values in [(300.0, 300.0, 300.0)] * 3 + [(900.0, 100.0, 900.0)]:
            trial = issue(record)
            for epoch, value in enumerate(values, start=1):
                decisions[rule] = record.report(trial.number, 1, epoch, {GOAL: value})
        record.close()
    assert decisions == {"best": Decision.GO_ON, "smoothed": Decision.STOP}


def test_a_share_is_better_when_larger(make_run: Callable[..., RunFolder]) -> None:
    record = smoothed(make_run, goal={"maximize": "valid/within_25km"})
    one, other = issue(record), issue(record)
    for epoch, value in enumerate((0.5, 0.1, 0.1), start=1):
        record.report(one.number, 1, epoch, {"valid/within_25km": value})
        record.report(other.number, 1, epoch, {"valid/within_25km": 0.3})
    assert [view.number for view in record.ranked()] == [other.number, one.number]
    record.close()


def test_an_epoch_counts_once_and_a_stale_attempt_is_refused(record: Record) -> None:
    trial = issue(record)
    record.report(trial.number, 1, 1, {GOAL: 300.0})
    record.lost(trial.number, 1)
    again = issue(record)
    assert (again.number, again.attempt) == (trial.number, 2)
    assert again.config == trial.config
    record.report(trial.number, 2, 1, {GOAL: 7.0})  # redone after the loss: changes nothing
    assert record.report(trial.number, 1, 2, {GOAL: 5.0}) is Decision.STOP  # the lost attempt still talks
    assert record.study.get_trials()[trial.number].intermediate_values == {1: 300.0}
    assert len(record.run.trial(trial.number).epochs()) == 1


def test_diverged_and_infeasible_are_constraints_that_the_sampler_sees(record: Record) -> None:
    for outcome in (Outcome.DIVERGED, Outcome.INFEASIBLE, Outcome.COMPLETE):
        trial = issue(record)
        record.report(trial.number, 1, 1, {GOAL: math.nan if outcome is Outcome.DIVERGED else 10.0})
        record.finish(trial.number, 1, outcome, "why")
    constraints = [t.constraints for t in record.study.get_trials()[:3]]
    assert [c["finite"] > 0 for c in constraints] == [True, False, False]
    assert [c["fits"] > 0 for c in constraints] == [False, True, False]
    assert record.best() is not None
    assert record.best().number in (1, 2)
    assert record.trials()[0].reason == "why"


def test_nan_stops_at_once(record: Record) -> None:
    trial = issue(record)
    assert record.report(trial.number, 1, 1, {GOAL: math.nan}) is Decision.STOP


def test_a_crash_is_retried_twice_then_fails(record: Record) -> None:
    for attempt in (1, 2, 3):
        trial = issue(record)
        assert (trial.number, trial.attempt) == (0, attempt)
        record.finish(0, attempt, Outcome.CRASHED, "boom")
    assert record.study.get_trials()[0].state is TrialState.FAIL
    assert issue(record).number == 1


def test_a_worker_that_dies_every_time_is_not_tried_for_ever(record: Record) -> None:
    for attempt in (1, 2, 3):
        trial = issue(record)
        assert (trial.number, trial.attempt) == (0, attempt)
        record.lost(0, attempt)
    assert record.study.get_trials()[0].state is TrialState.FAIL
    assert record.trials()[0].reason == "its worker died"


def test_a_worker_that_dies_after_new_epochs_is_always_replaced(record: Record) -> None:
    for attempt in range(1, 8):
        trial = issue(record)
        assert (trial.number, trial.attempt) == (0, attempt)
        record.report(0, attempt, attempt, {GOAL: 100.0 / attempt})
        record.lost(0, attempt)


def test_after_a_kill_what_ran_is_due_again_and_the_rest_is_as_it_was(make_run: Callable[..., RunFolder]) -> None:
    run = make_run()
    record = Record(run)
    play(record, issue(record), 100.0)
    running = issue(record)
    record.report(running.number, 1, 1, {GOAL: 80.0})
    (run.trial(running.number).checkpoint(1, 1)).mkdir(parents=True)
    (run.trial(running.number).checkpoint(1, 2)).mkdir(parents=True)  # saved, but killed before its report
    before = [view.values for view in record.trials()]
    record.close()  # what the kernel does for a killed process: the lock is free, nothing else happens

    resumed = Record(run)
    assert [view.values for view in resumed.trials()] == before
    again = issue(resumed)
    assert (again.number, again.attempt, again.config) == (running.number, 2, running.config)
    # Of the newest, whose training tells its history again: what the record lacks is taken, the rest changes nothing.
    assert again.resume_from == run.trial(running.number).checkpoint(1, 2)
    for epoch, value in ((1, 80.0), (2, 70.0)):
        resumed.report(running.number, 2, epoch, {GOAL: value})
    assert [view.values for view in resumed.trials()] == [before[0], {1: 80.0, 2: 70.0}]
    assert resumed.best().best == pytest.approx(100 / 9)
    resumed.close()


def test_a_replayed_epoch_stops_nobody(make_run: Callable[..., RunFolder]) -> None:
    """What came of it was decided when it was new; rivals may have come since."""
    record = Record(make_run(stopping={"rule": "median"}))
    first = issue(record)
    for epoch in (1, 2, 3):
        record.report(first.number, 1, epoch, {GOAL: 500.0})
    for _ in range(6):
        play(record, issue(record), 10.0)
    assert record.report(first.number, 1, 1, {GOAL: 500.0}) is Decision.GO_ON
    assert record.report(first.number, 1, 2, {GOAL: 1.0}) is Decision.GO_ON
    assert record.trials()[first.number].values == {1: 500.0, 2: 500.0, 3: 500.0}
    assert record.report(first.number, 1, 4, {GOAL: 500.0}) is Decision.STOP
    record.close()


def test_every_setting_is_written_out(record: Record) -> None:
    """So that a default that changes some day alters no old result."""
    trial = issue(record)
    record.report(trial.number, 1, 1, {GOAL: 100.0})
    expected = flatten(trial.config.model_dump(mode="json"))
    for path in (record.run.trial(trial.number).config, record.run.best_yaml):
        assert flatten(load_yaml(path)) == expected
    names = {name for name, field in TrainConfig.model_fields.items() if name != "model"}
    assert names <= {key.split(".")[0] for key in expected}
    assert {f"train.{name}" for name in LoopSettings.model_fields} <= expected.keys()
    assert {f"optim.{name}" for name in OptimSettings.model_fields} <= expected.keys()


def test_the_same_record_gives_the_same_proposals(make_run: Callable[..., RunFolder]) -> None:
    configs: list[list[Any]] = []
    for interrupted in (False, True):
        record = Record(make_run())
        drawn = []
        for _ in range(8):
            if interrupted:
                record.close()
                record = Record(record.run)
            trial = issue(record)
            drawn.append(trial.config)
            play(record, trial, 100.0 + trial.config.optim.lr * 1000)
        configs.append(drawn)
        record.close()
    assert configs[0] == configs[1]


def test_interrupted_trials_stay_due(record: Record) -> None:
    trial = issue(record)
    record.end("interrupted")
    assert record.report(trial.number, 1, 1, {GOAL: 10.0}) is Decision.STOP
    record.finish(trial.number, 1, Outcome.STOPPED)
    assert record.issue() is None
    assert record.study.get_trials()[trial.number].state is TrialState.RUNNING


def test_what_the_clock_ended_is_kept_and_goes_on_when_there_is_more_time(record: Record) -> None:
    trial = issue(record)
    record.end("time")
    assert record.report(trial.number, 1, 1, {GOAL: 10.0}) is Decision.STOP
    record.finish(trial.number, 1, Outcome.STOPPED)
    assert record.done
    assert record.trials()[0].state == "due"
    record.open_budget(record.limit)
    assert issue(record).attempt == 2
    record.give_back()
    record.settle("the search was over")
    assert record.study.get_trials()[trial.number].state is TrialState.PRUNED
    assert (record.trials()[0].state, record.trials()[0].reason) == ("stopped", "the search was over")


def test_no_epoch_is_begun_that_cannot_end_in_time(make_run: Callable[..., RunFolder]) -> None:
    now, left = [0.0], [1000.0]
    record = Record(make_run(), now=lambda: now[0])
    record.allowance.too_late = lambda seconds: "time" if left[0] <= seconds else ""
    slow, fast = issue(record), issue(record)

    def report(trial: Assignment, epoch: int, at: float) -> Decision:
        now[0] = at
        return record.report(trial.number, trial.attempt, epoch, {GOAL: 10.0 / epoch})

    assert report(slow, 1, 60.0) is Decision.GO_ON
    assert report(slow, 2, 120.0) is Decision.GO_ON
    assert report(fast, 1, 178.0) is Decision.GO_ON
    assert report(fast, 2, 179.0) is Decision.GO_ON
    left[0] = 30.0
    assert report(slow, 3, 180.0) is Decision.STOP
    record.finish(slow.number, 1, Outcome.STOPPED)
    assert record.issue() is None, "nor is a trial begun whose first epoch cannot"
    assert not record.done
    assert report(fast, 3, 181.0) is Decision.GO_ON
    record.finish(fast.number, 1, Outcome.COMPLETE)
    assert record.issue() is None
    assert (record.ending, record.done) == ("time", True)
    assert [view.state for view in record.trials()] == ["due", "complete"]
    record.close()


def test_more_trials_while_it_runs_and_after(make_run: Callable[..., RunFolder]) -> None:
    record = Record(make_run(trials=1))
    trial = issue(record)
    assert record.issue() is None
    record.limit_trials(2)
    assert issue(record).number == 1
    record.finish(1, 1, Outcome.STOPPED)
    record.finish(trial.number, 1, Outcome.STOPPED)
    record.limit_trials(3)
    assert record.done, "an executor that has seen it is on its way out"
    record.open_budget(3)
    assert issue(record).number == 2
    record.close()


def test_a_second_driver_is_refused(record: Record) -> None:
    with pytest.raises(GeotuneError, match="another geotune is running this search"):
        Record(record.run)


def test_optuna_reads_the_journal_itself(record: Record) -> None:
    play(record, issue(record), 100.0)
    backend = optuna.storages.journal.JournalFileBackend(str(record.run.journal))
    study = optuna.load_study(study_name=record.run.name, storage=optuna.storages.JournalStorage(backend))
    assert study.best_trial.number == 0
    assert study.best_value == pytest.approx(100 / 9)


def test_a_renamed_run_is_the_same_search(make_run: Callable[..., RunFolder]) -> None:
    record = Record(make_run())
    play(record, issue(record), 100.0)
    record.close()
    moved = record.run.path.rename(record.run.path.with_name("another-name"))
    again = Record(RunFolder(moved))
    assert len(again.trials()) == 1
    assert issue(again).number == 1
    again.close()


def test_a_kill_between_the_answer_and_its_record_does_not_let_a_stopped_trial_go_on(record: Record) -> None:
    for value in (100.0, 110.0, 120.0):
        play(record, issue(record), value)
    bad = issue(record)
    record.report(bad.number, 1, 1, {GOAL: 1000.0})
    assert record.report(bad.number, 1, 2, {GOAL: 900.0}) is Decision.STOP
    record.close()  # killed here: STOP was answered, the end was not recorded
    again = Record(record.run)
    assert issue(again).number == bad.number + 1
    assert again.study.get_trials()[bad.number].state is TrialState.PRUNED
    again.close()


def test_a_trial_trained_to_its_end_is_complete_even_at_a_rung_or_after_the_time(record: Record) -> None:
    trial = issue(record)
    for epoch in range(1, 9):
        record.report(trial.number, 1, epoch, {GOAL: 100.0})
    record.end("time")
    assert record.report(trial.number, 1, 9, {GOAL: 100.0}) is Decision.GO_ON


def test_the_end_by_time_is_remembered(record: Record) -> None:
    play(record, issue(record), 100.0)
    record.end("time")
    record.close()
    again = Record(record.run)
    assert again.done
    again.close()


def test_an_attempt_that_got_on_within_an_epoch_is_not_held_against_a_trial(record: Record) -> None:
    """On nodes that are taken away every hour, epochs of two hours are trained piece by piece."""
    for step in range(1, 6):
        trial = issue(record)
        assert (trial.number, trial.attempt) == (0, step)
        (record.run.trial(0).partial / f"{step}-1").mkdir(parents=True)
        record.lost(0, step)


def test_the_last_retry_starts_anew(record: Record) -> None:
    """A checkpoint that nobody can go on from, damaged or of an older geotune, would else end the trial."""
    trial = issue(record)
    trial.checkpoint(1).mkdir(parents=True)
    record.report(0, 1, 1, {GOAL: 5.0})
    record.lost(0, 1)  # it got on
    found = []
    for attempt in (2, 3, 4):
        trial = issue(record)
        found.append(trial.resume_from is not None)
        record.finish(0, attempt, Outcome.CRASHED, "the checkpoint is damaged")
    assert found == [True, True, False]
    assert record.trials()[0].state == "crashed"


def test_a_search_in_which_everything_crashes_ends(record: Record) -> None:
    while (trial := record.issue()) is not None:
        record.finish(trial.number, trial.attempt, Outcome.CRASHED, "boom")
    assert [view.state for view in record.trials()] == ["crashed"] * 3
    assert record.done


def test_the_winner_is_a_trial_that_did_not_fail(record: Record) -> None:
    diverged, sound = issue(record), issue(record)
    record.report(diverged.number, 1, 1, {GOAL: 10.0})
    record.finish(diverged.number, 1, Outcome.DIVERGED)
    record.report(sound.number, 1, 1, {GOAL: 50.0})
    assert record.best().number == sound.number
    assert [view.number for view in record.ranked()] == [sound.number, diverged.number]


def test_all_first_points_are_enqueued_after_a_kill_among_them(make_run: Callable[..., RunFolder]) -> None:
    tree = TREE | {"first": [{"train.batch_size": size} for size in (64, 128, 256)]}
    tree["first"] = [{"model.head.name": "regression", **point} for point in tree["first"]]
    run = make_run(tree)
    record = Record(run)
    record.close()
    lines = run.journal.read_bytes().splitlines(keepends=True)
    run.journal.write_bytes(b"".join(lines[: len(lines) // 2 + 1]))
    again = Record(run)
    assert [issue(again).config.train.batch_size for _ in range(3)] == [64, 128, 256]
    again.close()
