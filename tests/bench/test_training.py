"""The bench of training runs, with a tiny model, and says all that it promises; its figures mean nothing here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench" / "training.py"
KEYS = {"frozen_reuse", "step_overhead", "micro_batch", "two_trials"}


@pytest.mark.slow
def test_a_quick_run_gives_every_figure(tmp_path: Path) -> None:
    words = [sys.executable, str(SCRIPT), "--quick", "--json", str(tmp_path / "found.json")]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert all(found[key] > 0 for key in KEYS)
    assert all(len(found["every"][key]) == 1 for key in KEYS)
    assert all(0 <= share < 1 for share in found["waiting"].values())
    for text in (*KEYS, "waiting for data on the demo, photos"):
        assert text in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"]  # it tidies up
