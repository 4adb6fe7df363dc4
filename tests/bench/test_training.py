"""The bench of training runs, with a tiny model, and says all that it promises; its figures mean nothing here."""

from pathlib import Path

import pytest

from tests.bench.quick import quick

KEYS = {"frozen_reuse", "step_overhead", "micro_batch", "two_trials"}


@pytest.mark.slow
def test_a_quick_run_gives_every_figure(tmp_path: Path) -> None:
    found, printed = quick(tmp_path, "training.py")
    assert all(found[key] > 0 for key in KEYS)
    assert all(len(found["every"][key]) == 1 for key in KEYS)
    assert all(0 <= share < 1 for share in found["waiting"].values())
    for text in (*KEYS, "waiting for data on the demo, photos"):
        assert text in printed
