"""The bench of stopping rules, with few trials, compares every rule; its figures mean nothing here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench" / "stopping.py"


@pytest.mark.slow
def test_a_quick_run_compares_two_rules(tmp_path: Path) -> None:
    words = [sys.executable, str(SCRIPT), "--quick", "--rules", "none", "the default", "--json", "found.json"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False, env={**os.environ})
    assert done.returncode == 0, done.stdout + done.stderr
    (cell,) = json.loads((tmp_path / "found.json").read_text())["found"].values()
    assert cell["none"]["same_trials_m"] == 0
    assert cell["none"]["time"] == 1
    assert cell["the default"]["time"] < 1
    assert "crossing, 6 trials" in done.stdout
