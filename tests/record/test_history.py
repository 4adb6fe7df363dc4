"""A run folder read as plain values, also while it is being written."""

from typing import Any

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
