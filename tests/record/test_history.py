"""A run folder read as plain values, also while it is being written."""

from typing import Any

import pytest

from geotune.record.history import read_history


def test_a_finished_run(finished: Any) -> None:
    history = read_history(finished.path)
    assert [(trial.name, trial.state) for trial in history.trials] == [
        ("0", "complete"),
        ("1", "stopped"),
        ("2", "diverged"),
        ("3", "crashed"),
    ]
    assert [trial.name for trial in history.ranked()] == ["0", "1"]  # a NaN is no value
    assert history.goal == "valid/median_km"
    assert history.minimize
    assert history.searched == ["optim.lr", "model.head.cells"]
    assert history.trials[0].config["model.head.cells"] == 64
    assert history.final is not None
    assert (history.final.name, history.final.curve(history.goal)) == ("final", ([1, 2], [700.0, 350.0]))
    assert history.test["metrics"]["test/median_km"] == 612.0


def test_a_goal_to_maximise_turns_the_order_round(finished: Any) -> None:
    path = finished.path / "search.yaml"
    path.write_text(path.read_text().replace("minimize: valid/median_km", "maximize: valid/median_km"))
    assert [trial.name for trial in read_history(finished.path).ranked()] == ["1", "0"]


def test_an_epoch_told_twice_counts_once_and_a_torn_line_not_yet(hand_made: Any) -> None:
    made = hand_made("demo-1")
    made.trial(0)
    for value in (900.0, 800.0):
        made.epoch(0, 1, value)
    with (made.path / "trials" / "0000" / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 2, "time": 1')
    (made.path / "trials" / "0001").mkdir()  # its config is not written yet
    history = read_history(made.path)
    assert history.trials[0].curve("valid/median_km") == ([1], [900.0])
    assert history.trials[1].config == {}
    assert history.final is None


def asking(made: Any, goals: str = "", where: str = "") -> Any:
    """The history of a run that was asked for other goals and limits."""
    path = made.path / "search.yaml"
    text = path.read_text()
    path.write_text(
        (f"goals: {goals}\n" if goals else "") + text.replace("settings:\n", f"settings:\n  where: [{where}]\n")
    )
    return read_history(made.path)


@pytest.mark.parametrize(("second", "front"), [("minimize", ["4"]), ("maximize", ["4", "0"])])
def test_several_goals_have_a_front(finished: Any, second: str, front: list[str]) -> None:
    finished.trial(4)
    finished.epoch(4, 1, 800.0)
    finished.epoch(4, 2, 650.0)  # the one that is kept: its loss counts, 6.5
    finished.outcome(4, "complete", 650.0)
    history = asking(finished, f"[{{minimize: valid/median_km}}, {{{second}: train/loss}}]")
    assert history.goals == (("valid/median_km", True), ("train/loss", second == "minimize"))
    assert [history.values(trial) for trial in history.ranked()] == [(650.0, 6.5), (700.0, 7.0), (5000.0, 50.0)]
    assert [trial.name for trial in history.front()] == front, "a stopped one is in no front"


def test_what_breaks_a_limit_ranks_behind_what_keeps_it_and_says_so(finished: Any) -> None:
    history = asking(finished, where="train/loss > 10")
    assert [trial.name for trial in history.ranked()] == ["1", "0"]
    assert [history.breaks(trial) for trial in history.ranked()] == [(), ("train/loss > 10",)]
    assert history.breaks(history.trials[3]) == (), "without an epoch nothing is known"
    assert history.front() == []


def test_an_ended_trials_value_is_read_from_its_outcome_alone(finished: Any) -> None:
    for name in ("config.yaml", "metrics.jsonl"):
        (finished.path / "trials" / "0000" / name).unlink()
    history = read_history(finished.path)
    assert [history.value(trial) for trial in history.trials] == [700.0, 5000.0, None, None]


def test_each_file_is_read_once(finished: Any) -> None:
    trial = read_history(finished.path).trials[0]
    assert len(trial.epochs) == 3
    finished.epoch(0, 4, 600.0)
    assert len(trial.epochs) == 3, "what was read is of one instant"
    assert len(read_history(finished.path).trials[0].epochs) == 4
    assert trial.seconds == 0.0, "nobody told"


def test_trials_come_by_number(hand_made: Any) -> None:
    made = hand_made("demo-1")
    for number in (10_000, 9_999, 10_001, 7):
        made.trial(number)
    assert [trial.name for trial in read_history(made.path).trials] == ["7", "9999", "10000", "10001"]
