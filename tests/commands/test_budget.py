"""`geotune budget`, and the words of `geotune resume`, as a user gives them to real searches in real processes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from geotune.record.budget import Spend, read_spend, write_spend
from geotune.record.folder import RunFolder, write_atomic
from tests.commands.processes import Geotune, ended, processes, wait_for

TESTED = re.compile(r"^test median [\d,.]+ km \(95 % [\d,.]+-[\d,.]+\)$")


@pytest.fixture
def started(tmp_path: Path, tiny_data: Path) -> Iterator[Geotune]:
    with processes(tmp_path, tiny_data.parent / "cache") as start:
        yield start


@pytest.fixture
def run(make_search: Any) -> RunFolder:
    """A search that was asked for and has spent 50 minutes."""
    made: RunFolder = make_search("trials=4", "time=1h", "gpu_hours=3")[0]
    write_spend(made, Spend(seconds=3000.0, gpu_hours=0.8, final_seconds=300.0))
    made.trial(0).path.mkdir(parents=True)
    return made


def plain(out: str) -> str:
    return " ".join(out.split())


def test_what_is_spent_and_left(geotune: Any, run: RunFolder) -> None:
    code, out, _ = geotune("budget", run.path)
    assert code == 0
    assert plain(out) == (
        "trials 1 begun of 4 3 left time 50:00 of 1:00:00 10:00 left gpu_hours 0.80 of 3 2.20 left "
        "of it about 5:00 are kept for the full training"
    )


def test_another_budget(geotune: Any, run: RunFolder) -> None:
    code, out, _ = geotune("budget", run.path, "trials=10", "time=1h30m", "gpu_hours=none")
    assert code == 0
    written = "trials 1 begun of 10 9 left time 50:00 of 1:30:00 40:00 left gpu_hours 0.80 no limit"
    assert plain(out).startswith(written)
    assert plain(geotune("budget", run.path)[1]).startswith(written)


def test_all_faults_at_once_and_nothing_written(geotune: Any, run: RunFolder) -> None:
    code, _, err = geotune("budget", run.path, "trials=0", "time=5", "gpu_hrs=2")
    assert code == 2
    assert "3 problems" in err
    assert "did you mean gpu_hours?" in err
    assert not run.budget_yaml.exists()


def test_after_the_test_there_is_no_more(geotune: Any, run: RunFolder) -> None:
    write_atomic(run.final_json, "{}\n")
    for command in ("budget", "resume"):
        code, _, err = geotune(command, run.path, "trials=10", "time=10m")
        assert code == 2
        assert "its model is trained and tested" in err
        assert "a new search learns from it:  geotune search space=" in err
    assert not run.budget_yaml.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["time=30m"], "time: 50:00 are spent and 5:00 kept for the full training"),
        (["time=30m"], "as in time=81m"),
        (["time=55m", "trials=100"], "so no trial could go on"),
        (["gpu_hours=0.5"], "as in gpu_hours=1.30"),
    ],
)
def test_resume_refuses_a_budget_that_is_spent(geotune: Any, run: RunFolder, words: list[str], said: str) -> None:
    code, _, err = geotune("resume", run.path, *words)
    assert code == 2
    assert said in err
    assert not run.budget_yaml.exists()


@pytest.mark.slow
def test_a_search_is_given_less_and_more_while_it_runs_and_after_a_kill(
    started: Geotune, space: Path, tiny_data: Path, tmp_path: Path
) -> None:
    words = (f"space={space}", f"data={tiny_data}", "executor=inline", "tracking=none", "stopping=none")
    search = started("search", *words, "train.epochs=100000", "trials=2", "time=2h")
    run = RunFolder(tmp_path / "runs" / "tiny-1")
    wait_for(run.trial(0).metrics.is_file, search)
    wait_for(lambda: read_spend(run).seconds > 0, search)
    search.kill()
    search.communicate()
    killed = read_spend(run).seconds
    assert killed > 0

    before = run.trial(0).epochs()
    resumed = started("resume", run.path, "trials=3")
    wait_for(lambda: len(run.trial(0).epochs()) > len(before), resumed)
    ended(started("budget", run.path, "time=1s"))
    out = ended(resumed)
    assert "the trials end here: the time is used up, but for the full training" in out
    assert "1 trial: 1 unfinished" in out
    assert TESTED.match(out.strip().splitlines()[-1]), out
    assert read_spend(run).seconds > killed
    after = run.trial(0).epochs()
    assert after[: len(before)] == before
    assert [line["epoch"] for line in after] == list(range(1, len(after) + 1))
    assert run.trial(0).outcome.is_file(), "with the full training done, nothing is left unfinished"
