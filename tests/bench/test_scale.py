"""The bench of scale, with few trials, says all that it promises; its figures mean nothing here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench" / "scale.py"
KEYS = {"suggest_p95_ms", "driver_mb", "resume_s", "reports_a_second"}


@pytest.mark.slow
def test_a_quick_run_gives_every_figure(tmp_path: Path) -> None:
    words = [sys.executable, str(SCRIPT), "--quick", "--json", str(tmp_path / "found.json")]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert all(found[key] > 0 for key in KEYS)
    assert found["every"]["20"]["issues"] == 10
    assert found["every"]["20"]["reports"] >= 20
    for text in ("suggest_p95_ms", "driver_mb", "resume_s", "20 trials: a slot waits"):
        assert text in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"]  # it tidies up
