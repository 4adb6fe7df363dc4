"""`--dry-run`: the first trials are those of the search itself, and nothing but caches is written."""

import io
import math
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from geotune.config import dump_yaml
from geotune.data.dataset import open_dataset
from geotune.model.weights import Weights
from geotune.record.record import Record
from geotune.search.dry_run import _downloads, first_trials, show_dry_run
from tests.tiny_search import TINY


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_the_trials_shown_are_those_that_the_search_begins_with(make_search: Any, tmp_path: Path, sampler: str) -> None:
    path = tmp_path / "own.yaml"
    search = TINY["search"] | {"optim.lr": {"choice": [0.1, 0.01, 0.001]}}
    path.write_text(dump_yaml(TINY | {"search": search, "first": [{"optim.lr": 0.001}], "sampler": sampler}))
    run, plan = make_search(f"space={path}")
    shown = list(first_trials(plan, 4))
    assert shown[0]["optim.lr"] == 0.001
    record = Record(run)
    for drawn in shown:
        assignment = record.issue()
        assert assignment is not None
        assert assignment.config == plan.config(drawn)
    record.close()


def test_what_is_printed(make_search: Any, tmp_path: Path) -> None:
    run, plan = make_search("optim.lr=0.01", "executor=inline")
    before = sorted(path for path in tmp_path.rglob("*") if run.path not in path.parents)
    out = io.StringIO()
    show_dry_run(plan, open_dataset(plan.data), Console(file=out, width=200))
    text = out.getvalue()
    rows = {line[:9].strip(): line[10:] for line in text.partition("\n\n")[0].splitlines()}
    assert rows["goal"] == "minimize valid/median_km"
    assert rows["machine"].startswith("1 trial at once, ")
    assert rows["a trial"].startswith("about ")
    assert rows["trials"].startswith("4, at most about ")
    assert "GB free" in rows["disk"]
    assert rows["downloads"] == "none, all weights are here"
    assert text.count("\n  0: head=") == 1
    assert "\n  optim.lr" in text
    assert sorted(path for path in tmp_path.rglob("*") if run.path not in path.parents) == before


def test_a_cluster_is_not_asked(make_search: Any) -> None:
    _, plan = make_search("address=127.0.0.1:1")
    out = io.StringIO()
    show_dry_run(plan, open_dataset(plan.data), Console(file=out, width=200))
    assert "the cluster at 127.0.0.1:1; it is not asked, and no trial is timed" in out.getvalue()


def test_downloads_in_words() -> None:
    here = Weights("a", "packaged", "a", Path("a"))
    big = Weights("b", "hub", "b.in1k", None, missing_mb=45.2)
    odd = Weights("c", "hub", "c.in1k", None, missing_mb=math.nan)
    assert _downloads([here]) == "none, all weights are here"
    assert _downloads([here, big, big]) == "45 MB: b.in1k"
    assert _downloads([big, odd]) == "45 MB, and 1 file of unknown size: b.in1k, c.in1k"
