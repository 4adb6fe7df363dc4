"""What a search shows while it runs: in a terminal, narrow and wide, and in a log file."""

import io
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from geotune.record.record import Record
from geotune.record.trial import Assignment, Outcome
from geotune.search import table
from geotune.search.budget import Clock
from geotune.search.display import Display, following, glance_of, progress_of
from geotune.search.glance import Cost, Glance, Row, Rungs, Running
from geotune.search.waiting import Board

BASELINE = {"valid/baseline_km": 6204.0}


@pytest.fixture
def record(make_search: Any) -> Iterator[Record]:
    run, _ = make_search("trials=12", "train.epochs=30", "stopping.grace=2", "stopping.factor=3")
    opened = Record(run)
    yield opened
    opened.close()


def begun(record: Record, *medians_km: float) -> Assignment:
    """A trial that has told so many epochs, and says where it stands."""
    trial = record.issue()
    assert trial is not None
    for epoch, value in enumerate(medians_km, start=1):
        record.report(trial.number, trial.attempt, epoch, BASELINE | {"valid/median_km": value, "train/seconds": 2.0})
    told = {"epoch": len(medians_km) + 1, "epochs": 30, "step": 1, "steps": 2, "stage": "training"}
    (trial.workdir / "progress.json").write_text(json.dumps(told))
    return trial


def drawn(glance: Glance, columns: int, rows: int = 24) -> list[str]:
    """The lines of the live table in a terminal of that size."""
    console = Console(file=io.StringIO(), width=columns, height=rows, force_terminal=True, color_system=None)
    with console.capture() as text:
        console.print(table.live(glance, columns, rows))
    return text.get().splitlines()


@pytest.mark.parametrize("columns", [80, 160])
def test_the_live_table(record: Record, columns: int) -> None:
    done = begun(record, 5000.0, 4000.0)
    record.finish(done.number, done.attempt, Outcome.COMPLETE)
    begun(record, 3000.0, 2500.0)
    begun(record)
    head, best, first, second = (line.rstrip() for line in drawn(glance_of(record, Clock()), columns))
    assert head.startswith("tiny-1: 1 of 12 trials, 0:0")
    assert best.startswith("best 2,500 km by trial 1: ")
    assert re.match(r"  trial 1 [━╸╺ ]+ training, epoch 3 of 30 rung 1 of 3 2,500 km ", first)
    assert re.match(r"  trial 2 [━╸╺ ]+ training, epoch 1 of 30 rung 0 of 3 –  ", second)
    assert max(len(line) for line in (head, best, first, second)) <= columns


def rows_of(count: int) -> Glance:
    row = Row(0, "running", {"optim.lr": 0.1}, (1.0,), 1)
    running = [Running(row, "training, epoch 2 of 9", 0.2, "rung 1 of 2") for _ in range(count)]
    cost = Cost(60.0, 1.5, 3600.0, 7200.0, 4.0)
    return Glance("demo-1", ("valid/median_m",), {"running": count}, 99, cost, None, running, note="no slot is free")


def test_it_is_never_higher_than_the_terminal() -> None:
    lines = drawn(rows_of(64), 80)
    assert len(lines) < 24
    assert lines[0] == "demo-1: 0 of 99 trials, 1:00 of 2:00:00, 1.5 of 4 GPU hours, about 1:00:00 left"[:80]
    assert lines[1].strip() == "no result yet"
    assert lines[2].strip() == "no slot is free"
    assert lines[-1].strip() == f"and {64 - (len(lines) - 4)} more"
    assert len(drawn(rows_of(3), 80)) == 6


@pytest.mark.parametrize(
    ("stopping", "epochs", "text"),
    [
        ({}, 1, "rung 0 of 3"),
        ({}, 2, "rung 1 of 3"),
        ({}, 17, "rung 2 of 3"),
        ({"grace": 5, "factor": 2}, 10, "rung 2 of 3"),
        ({"grace": 500, "resource": "photos"}, 4, "rung 0 of 2"),
        ({"grace": 500, "resource": "photos"}, 5, "rung 1 of 2"),
        ({"rule": "median"}, 5, ""),
        ({"grace": 30}, 5, ""),
        ({"grace": None}, 5, ""),
    ],
)
def test_the_rungs(stopping: dict[str, Any], epochs: int, text: str) -> None:
    rungs = Rungs({"rule": "asha", "grace": 2, "factor": 3, "resource": "epochs"} | stopping)
    assert rungs.text(epochs, 30, lambda: 100.0) == text
    if "resource" in stopping:
        assert rungs.text(epochs, 30, lambda: None) == "", "of a trial whose photos are not known"


def test_in_a_log_file_every_ended_trial_has_a_line(record: Record) -> None:
    text = io.StringIO()
    with Display(record, Clock(), Console(file=text, width=40)):
        good = begun(record, 5000.0, 4000.0)
        record.finish(good.number, good.attempt, Outcome.COMPLETE)
        bad = begun(record, float("nan"))
        record.finish(bad.number, bad.attempt, Outcome.DIVERGED, "trace\nthe loss is not finite")
        begun(record)
    lines = text.getvalue().splitlines()
    assert re.match(r"trial   0 complete    4,000 km    2 epochs   0:04  head=.* ← best so far$", lines[0])
    assert re.match(r"trial   1 diverged           –    1 epochs   0:02  head=", lines[1])
    assert lines[2:] == ["          the loss is not finite"], "nothing of the third, which runs"


def test_a_terminal_keeps_the_lines_and_takes_the_table_away(record: Record) -> None:
    text = io.StringIO()
    console = Console(file=text, width=160, force_terminal=True, color_system=None, legacy_windows=False)
    with Display(record, Clock(), console):
        good = begun(record, 5000.0)
        while "trial 0" not in text.getvalue():
            time.sleep(0.05)
        record.finish(good.number, good.attempt, Outcome.COMPLETE)
    assert "training, epoch 2 of 30" in text.getvalue()
    assert "trial   0 complete    5,000 km" in text.getvalue()


def test_where_a_training_stands(record: Record) -> None:
    folder = record.run.final
    assert progress_of(folder) == ("starting", 0.0)
    folder.path.mkdir()
    told = {"epoch": 0, "epochs": 4, "step": 5, "steps": 10, "stage": "features"}
    folder.progress.write_text(json.dumps(told))
    assert progress_of(folder) == ("features 50%", 0.0)
    folder.progress.write_text(json.dumps(told | {"epoch": 2, "stage": "training"}))
    assert progress_of(folder) == ("training, epoch 2 of 4", 0.375)
    out = io.StringIO()
    with following(record.run, "full training", Console(file=out)):
        Board(record.run).say("1 slot of the cluster taken by others")
        while "taken by others" not in out.getvalue():
            time.sleep(0.05)
