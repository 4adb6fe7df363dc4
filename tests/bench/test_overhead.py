"""The bench of a search's overhead, with two short trials: it runs both sides once; its figures mean nothing here."""

from pathlib import Path

import pytest

from tests.bench.quick import quick


@pytest.mark.slow
@pytest.mark.ray
def test_a_quick_run_gives_every_figure(tmp_path: Path) -> None:
    found, _ = quick(tmp_path, "overhead.py")
    assert all(found[key] > 0 for key in ("wall", "busy"))
    searches = [(one["side"], one["trials"]) for one in found["searches"]]
    assert searches == [("ours", 2), ("rival", 2)]
