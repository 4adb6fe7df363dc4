"""`geotune runs` and `geotune runs rm` as a user types them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from geotune.record.journal import Journal

Geotune = Callable[..., tuple[int, str, str]]


def test_the_runs_of_a_folder(geotune: Geotune, finished: Any, hand_made: Any) -> None:
    hand_made("demo-2")
    (finished.path / "best.yaml").write_text("# Trial 0 of demo-1: valid/median_km 700\n")
    (finished.path / "spend.json").write_text(json.dumps({"seconds": 3750.0, "gpu_hours": 2.5}))
    code, screen, _ = geotune("runs", finished.path.parent)
    head, *lines = screen.splitlines()
    assert (code, head.split()) == (0, ["run", "state", "trials", "best", "test", "time", "GPU", "h", "size", "age"])
    words = {line.split()[0]: line.split() for line in lines}
    assert " ".join(words["demo-1"][:9]) == "demo-1 tested 4/4 700 km 612 km 1:02:30 2.5"
    assert " ".join(words["demo-2"][:6]) == "demo-2 interrupted 0/4 – – –"
    assert geotune("runs", f"runs={finished.path.parent}")[1].splitlines()[0] == head


def test_a_damaged_run_hides_no_other(geotune: Geotune, finished: Any, hand_made: Any) -> None:
    (hand_made("demo-2").path / "search.yaml").write_text("a: [1\n")
    code, screen, told = geotune("runs", finished.path.parent)
    assert (code, len(screen.splitlines())) == (0, 2)
    assert "demo-2/search.yaml" in told


def test_no_runs_there(geotune: Geotune, finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path / "runs" / "demo-1")
    code, _, told = geotune("runs")
    assert (code, "runs: no such folder" in told) == (2, True)
    code, _, told = geotune("runs", finished.path)
    assert (code, f"it is one itself: geotune show {finished.path}" in told) == (2, True)


def test_a_run_is_removed_when_the_user_agrees(
    geotune: Geotune, finished: Any, hand_made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = hand_made("demo-2").path
    asked: list[str] = []
    monkeypatch.setattr("click.confirm", asked.append)
    code, screen, _ = geotune("runs", "rm", finished.path)
    assert (code, screen, finished.path.is_dir()) == (0, "", True)
    assert asked[0].startswith(f"Remove {finished.path} (")
    code, screen, _ = geotune("runs", "rm", finished.path, other, "--yes")
    assert (code, screen) == (0, f"removed {finished.path}\nremoved {other}\n")
    assert (finished.path.exists(), other.exists(), len(asked)) == (False, False, 1)


def test_what_is_not_removed(geotune: Geotune, finished: Any, hand_made: Any, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(finished.path)
    code, _, told = geotune("runs", "rm", link, "--yes")
    assert (code, f"link: is a link, to {finished.path}" in told) == (2, True)
    code, _, told = geotune("runs", "rm", finished.path.parent, "--yes")
    assert (code, "not the folder of a search" in told) == (2, True)
    code, _, told = geotune("runs", "rm")
    assert (code, "Missing argument 'RUN...'" in told) == (2, True)
    other = hand_made("demo-2").path
    driver = Journal(finished.path / "study.journal")
    code, _, told = geotune("runs", "rm", other, finished.path, "--yes")
    driver.close()
    assert (code, "demo-1: a search runs there" in told) == (2, True)
    assert other.is_dir(), "all are looked at before the first is removed"
