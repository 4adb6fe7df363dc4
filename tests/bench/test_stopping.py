"""The bench of stopping rules, with few trials, compares every rule; its figures mean nothing here."""

from pathlib import Path

import pytest

from tests.bench.quick import quick


@pytest.mark.slow
def test_a_quick_run_compares_two_rules(tmp_path: Path) -> None:
    found, printed = quick(tmp_path, "stopping.py", "--rules", "none", "the default")
    (cell,) = found["found"].values()
    assert cell["none"]["same_trials_m"] == 0
    assert cell["none"]["time"] == 1
    assert cell["the default"]["time"] < 1
    assert "crossing, 6 trials" in printed
