"""The bench runs, on a few photos, and says all that it promises; its figures mean nothing here."""

from pathlib import Path

import pytest

from tests.bench.quick import quick

KEYS = {"px224", "px96", "four_trials", "fused224", "fused96", "phone", "first_epoch", "pss_growth"}


@pytest.mark.slow
def test_a_quick_run_gives_every_figure(tmp_path: Path) -> None:
    found, printed = quick(tmp_path, "input_pipeline.py", "--small", "40")
    assert all(found[key] > 0 for key in KEYS)
    assert found["about"]["policy"] == "light"
    assert len(found["steps"]) == 7
    assert found["import"]["peak_mb"] > 0
    for text in (*KEYS, "the limit", "ratio by policy", "photos a second and core"):
        assert text in printed
