"""A growing folder is read once, line by line; what has ended is read no more."""

import json
from pathlib import Path
from typing import Any

from mlflow.tracking import MlflowClient

from geotune.record.folder import RunFolder, append_line
from geotune.track.cursor import Cursor
from geotune.track.mlflow import store_uri
from geotune.track.sender import Sender
from geotune.track.tail import Tail, leader, numbers
from tests.track.conftest import assert_complete


def test_only_what_has_been_added_is_given(hand_made: Any) -> None:
    made = hand_made("demo-1")
    tail = Tail(RunFolder(made.path).trial(0))
    tail.read()
    assert not tail.config, "not begun"
    made.trial(0, optim__lr=0.5)
    made.epoch(0, 1, 9.0)
    tail.read()
    assert (tail.name, tail.config["optim.lr"], list(tail.epochs)) == ("0", 0.5, [1])
    tail.epochs.clear()  # sent
    tail.read()
    assert not tail.epochs
    with tail.folder.metrics.open("ab") as file:
        file.write(b'{"epoch": 2, "time": 17')  # torn by a kill
    tail.read()
    assert not tail.epochs
    line = {"epoch": 2, "time": 5.0, "metrics": {"valid/median_km": 8.0}}
    append_line(tail.folder.metrics, line)  # of the next attempt, which tells the first epoch again
    append_line(tail.folder.metrics, line | {"epoch": 1})
    append_line(tail.folder.metrics, line | {"epoch": 3, "time": 6.0})
    made.outcome(0, "complete", 8.0)
    tail.read()
    assert tail.epochs == {2: line, 3: line | {"epoch": 3, "time": 6.0}}
    assert (tail.last, tail.outcome["state"]) == (6.0, "complete")


def test_the_leader_is_the_records(finished: Any, hand_made: Any) -> None:
    assert leader(RunFolder(finished.path)) == "trial 0: valid/median_km 700"
    assert numbers(RunFolder(finished.path)) == [0, 1, 2, 3]
    assert leader(RunFolder(hand_made("demo-2").path)) == ""
    assert numbers(RunFolder(hand_made("demo-3").path)) == []


def test_trials_that_have_ended_are_read_no_more(finished: Any, empty_store: Path) -> None:
    (finished.path.parent / "mlflow.db").write_bytes(empty_store.read_bytes())
    Sender(finished.path).sync()
    for file in (finished.path / "trials").glob("*/*.*"):
        file.write_text("{ this would be an error")
    sender = Sender(finished.path)
    sent = sender.sync()
    assert sent is not None
    assert (sent.trials, sent.values) == (0, 0)
    assert_complete(MlflowClient(store_uri(finished.path.parent)))


def test_the_cursor_holds_ended_trials_as_ranges(tmp_path: Path) -> None:
    path = tmp_path / "track.json"
    cursor = Cursor(path, "here")
    assert cursor.new
    for number in (0, 1, 2, 5, 7, 8):
        cursor.entry(str(number))["id"] = "x"
        cursor.close(str(number))
    cursor.entry("9")["epoch"] = 3
    cursor.save()
    assert json.loads(path.read_text())["closed"] == [[0, 2], [5, 5], [7, 8]]
    again = Cursor(path, "here")
    assert (again.key, again.new, again.closed) == (cursor.key, False, {0, 1, 2, 5, 7, 8})
    assert again.runs == {"9": {"epoch": 3}}
    before = path.stat().st_mtime_ns
    again.save()
    assert path.stat().st_mtime_ns == before, "unchanged: not written"
    elsewhere = Cursor(path, "there")
    assert (elsewhere.key, elsewhere.closed, elsewhere.runs) == (cursor.key, set(), {})
