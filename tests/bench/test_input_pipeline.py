"""The bench runs, on a few photos, and says all that it promises; its figures mean nothing here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench" / "input_pipeline.py"
KEYS = {"px224", "px96", "four_trials", "fused224", "fused96", "phone", "first_epoch", "pss_growth"}


@pytest.mark.slow
def test_a_quick_run_gives_every_figure(tmp_path: Path) -> None:
    words = [sys.executable, str(SCRIPT), "--quick", "--small", "40", "--json", str(tmp_path / "found.json")]
    done = subprocess.run(
        words, capture_output=True, text=True, env=os.environ | {"TMPDIR": str(tmp_path)}, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert all(found[key] > 0 for key in KEYS)
    assert found["about"]["policy"] == "light"
    assert len(found["steps"]) == 7
    assert found["import"]["peak_mb"] > 0
    for text in (*KEYS, "the limit", "ratio by policy", "photos a second and core"):
        assert text in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"]  # it tidies up
