"""The bench of scale, with few trials, says all that it promises; its figures mean nothing here."""

from pathlib import Path

import pytest

from tests.bench.quick import quick

KEYS = {"suggest_p95_ms", "driver_mb", "resume_s", "reports_a_second"}


@pytest.mark.slow
def test_a_quick_run_gives_every_figure(tmp_path: Path) -> None:
    found, printed = quick(tmp_path, "scale.py")
    assert all(found[key] > 0 for key in KEYS)
    assert found["every"]["20"]["issues"] == 10
    assert found["every"]["20"]["reports"] >= 20
    for text in ("suggest_p95_ms", "driver_mb", "resume_s", "20 trials: a slot waits"):
        assert text in printed
