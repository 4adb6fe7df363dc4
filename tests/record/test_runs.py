"""The runs of a folder, and the removal of one."""

import json
from pathlib import Path
from typing import Any

import pytest

from geotune.errors import GeotuneError
from geotune.record.folder import RunFolder
from geotune.record.journal import Journal
from geotune.record.runs import remove, runs_in, state_of, summary_of


def test_a_finished_run_in_short(finished: Any) -> None:
    run = RunFolder(finished.path)
    run.best_yaml.write_text("# Trial 0 of demo-1: valid/median_km 700\ndata: x\n")
    run.spend_json.write_text(json.dumps({"seconds": 90.5, "gpu_hours": 0.25}))
    found = summary_of(run)
    assert (found.state, found.ended, found.most_trials) == ("tested", 4, 4)
    assert (found.best, found.test["metrics"]["test/median_km"]) == (("valid/median_km", 700.0), 612.0)
    assert (found.seconds, found.gpu_hours) == (90.5, 0.25)
    assert found.size_bytes == sum(path.stat().st_size for path in run.path.rglob("*") if path.is_file())


def test_a_run_that_has_only_begun(hand_made: Any) -> None:
    found = summary_of(RunFolder(hand_made("demo-1").path))
    assert (found.state, found.ended, found.best, found.test, found.seconds) == ("interrupted", 0, None, {}, None)


def test_the_states(finished: Any) -> None:
    run = RunFolder(finished.path)
    assert state_of(run, 4, 4) == "tested"
    run.final_json.unlink()
    assert state_of(run, 4, 4) == "ended"
    assert state_of(run, 3, 4) == "interrupted"
    assert state_of(run, 3, None) == "interrupted"
    driver = Journal(run.journal)
    assert state_of(run, 3, 4) == "running"
    driver.close()
    line = '{"op_code":2,"study_id":0,"user_attr":{"geotune:ended":"%s"}}\n'
    run.journal.write_text(line % "time")
    assert state_of(run, 3, 4) == "ended", "by its time, before all trials"
    run.journal.write_text(line % "time" + line % "")
    assert state_of(run, 3, 4) == "interrupted", "its budget was raised since"


def test_the_trials_of_a_search_that_nobody_limited(finished: Any) -> None:
    path = finished.path / "search.yaml"
    path.write_text(path.read_text().replace("  trials: 4\n", ""))
    assert summary_of(RunFolder(finished.path)).most_trials is None, "a run of before"
    path.write_text(path.read_text() + "trials: 64\n")
    assert summary_of(RunFolder(finished.path)).most_trials == 64


def test_a_changed_budget_counts(finished: Any) -> None:
    run = RunFolder(finished.path)
    run.budget_yaml.write_text("trials: 9\n")
    assert summary_of(run).most_trials == 9


def test_the_order_is_by_name_and_number_and_links_are_no_runs(hand_made: Any, tmp_path: Path) -> None:
    for name in ("demo-10", "demo-9", "campus-1"):
        hand_made(name)
    runs = tmp_path / "runs"
    (runs / "demo-11").symlink_to(runs / "demo-9")
    (runs / "mlartifacts").mkdir()
    assert [run.name for run in runs_in(runs)] == ["campus-1", "demo-9", "demo-10"]


def test_a_removed_run_is_gone_and_what_its_links_point_to_is_not(finished: Any, tmp_path: Path) -> None:
    kept = tmp_path / "photos"
    kept.mkdir()
    (kept / "one.jpg").write_text("x")
    (finished.path / "data").symlink_to(kept)
    (finished.path / "trials" / "0000" / "link").symlink_to(kept / "one.jpg")
    remove(RunFolder(finished.path))
    assert not finished.path.exists()
    assert (kept / "one.jpg").is_file()


def test_a_running_search_is_not_removed(finished: Any) -> None:
    run = RunFolder(finished.path)
    driver = Journal(run.journal)
    before = sorted(run.path.rglob("*"))
    with pytest.raises(GeotuneError, match="a search runs there"):
        remove(run)
    assert sorted(run.path.rglob("*")) == before
    driver.close()
    remove(run)
    assert not run.path.exists()
