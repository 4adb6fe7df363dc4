"""`geotune show` of a search in every state, in a terminal and piped."""

import json
import os
import pty
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from geotune.record.journal import Journal

Geotune = Callable[..., tuple[int, str, str]]


def in_terminal(columns: int, *words: object) -> list[str]:
    """The lines that `geotune` shows in a terminal of that width, its exit code 0."""
    pid, screen = pty.fork()
    if pid == 0:
        os.environ |= {"COLUMNS": str(columns), "LINES": "24", "NO_COLOR": "1", "TERM": "dumb"}
        os.execv(sys.executable, [sys.executable, "-m", "geotune", *map(str, words)])
    text = b""
    while True:
        try:
            read = os.read(screen, 4096)
        except OSError:  # what Linux says at the end
            break
        if not read:
            break
        text += read
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, text.decode()
    os.close(screen)
    return text.decode().splitlines()


def test_a_finished_search(geotune: Geotune, finished: Any) -> None:
    (finished.path / "spend.json").write_text(json.dumps({"seconds": 3750.0, "left_seconds": None}))
    code, screen, _ = geotune("show", finished.path)
    assert code == 0
    assert screen.splitlines() == [
        "demo-1: 4 of 4 trials, 1:02:30 (tested)",
        "",
        "The best 2 of 4 trials (1 complete, 1 stopped, 1 diverged, 1 crashed)",
        "trial  state     valid/median_km  epochs  time  settings",
        "    0  complete           700 km       3  0:00  lr=0.001 cells=64",
        "    1  stopped          5,000 km       1  0:00  lr=0.1 cells=32 (worse than 3 of 4 trials at epoch 1)",
        "trial 2 diverged: the loss is not finite",
        "trial 3 crashed: boom",
        "",
        "test median 612 km (95 % 580-641); one point for every photo would give 6,204 km",
        f"model     {finished.path}/model     geotune predict {finished.path}/model photo.jpg",
        f"report    {finished.path}/report.html",
    ]


def test_a_killed_search_says_how_to_go_on(geotune: Geotune, hand_made: Any) -> None:
    made = hand_made("demo-1")
    made.trial(0, optim__lr=0.001)
    made.epoch(0, 1, 900.0)
    made.trial(1, optim__lr=0.001)
    screen = geotune("show", made.path)[1].splitlines()
    assert screen[0] == "demo-1: 0 of 4 trials (interrupted)"
    assert screen[2] == "The best 1 of 2 trials (2 unfinished)"
    assert screen[-2:] == [
        f"geotune resume {made.path}    to go on",
        f"geotune finish {made.path}    to train the best so far in full, now",
    ]


def test_a_running_search_shows_its_trials_at_work(geotune: Geotune, hand_made: Any) -> None:
    made = hand_made("demo-1")
    for number in (0, 1):
        made.trial(number, optim__lr=0.001, model__head__cells=32)
    made.epoch(0, 1, 900.0)
    told = {"epoch": 2, "epochs": 9, "step": 5, "steps": 10, "stage": "training"}
    (made.path / "trials" / "0000" / "progress.json").write_text(json.dumps(told))
    asked = made.path / "search.yaml"
    asked.write_text(asked.read_text().replace("    grace: 1\n", "    rule: asha\n    grace: 1\n    factor: 3\n"))
    (made.path / "ray").mkdir()
    (made.path / "ray" / "waiting.txt").write_text("no live node holds a trial: waiting for one to join\n")
    (made.path / "spend.json").write_text(json.dumps({"seconds": 60.0, "gpu_hours": 0.5, "left_seconds": 600.0}))
    (made.path / "budget.yaml").write_text("trials: 7\ntime: 8h\ngpu_hours: 2\n")
    driver = Journal(made.path / "study.journal")
    screen = [line.rstrip() for line in geotune("show", made.path)[1].splitlines()]
    driver.close()
    head = "demo-1: 0 of 7 trials, 1:00 of 8:00:00, 0.5 of 2 GPU hours, about 10:00 left (running)"
    assert screen[:2] == [head, "no live node holds a trial: waiting for one to join"]
    assert screen[2].startswith("  trial 0 ")
    assert screen[2].endswith("training, epoch 2 of 9 rung 1 of 2 900 km lr=0.001 cells=32")
    assert screen[3].endswith("starting                           –      lr=0.001 cells=32")
    assert screen[5] == "The best 1 of 2 trials (2 running)"


def test_several_goals_and_limits(geotune: Geotune, finished: Any) -> None:
    asked = finished.path / "search.yaml"
    goals = "goals:\n- minimize: valid/median_km\n- maximize: valid/within_25km\n"
    where = "settings:\n  where:\n  - train/loss < 30\n"
    asked.write_text(goals + asked.read_text().replace("settings:\n", where))
    screen = geotune("show", finished.path)[1].splitlines()
    at = screen.index("No other trial beats these in every goal")
    assert screen[at + 1].split()[2:4] == ["valid/median_km", "valid/within_25km"]
    assert screen[at + 2].split() == ["0", "complete", "700", "km", "50.0", "%", "3", "0:00", "lr=0.001", "cells=64"]
    broken = "lr=0.1 cells=32 (breaks train/loss < 30; worse than 3 of 4 trials at epoch 1)"
    assert any(line.endswith(broken) for line in screen)


@pytest.mark.parametrize("columns", [80, 160])
def test_in_a_terminal_the_table_is_as_wide_as_that(finished: Any, columns: int) -> None:
    for number in range(4, 14):
        finished.trial(number, optim__lr=0.001 * number, model__head__cells=32)
        finished.epoch(number, 1, 1000.0 + number)
    lines = in_terminal(columns, "show", finished.path)
    at = next(number for number, line in enumerate(lines) if line.startswith("trial  state"))
    table = lines[at : at + 11]
    assert {len(line) for line in table} == {columns}
    assert table[1].startswith("    0  complete             700 km       3  0:00  ")


def test_no_run(geotune: Geotune, finished: Any, tmp_path: Path) -> None:
    code, _, told = geotune("show", finished.path.parent)
    assert (code, "not the folder of a search" in told) == (2, True)
