"""The bench of a search's overhead, with two tiny trials: it runs both sides; its figures mean nothing here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench" / "overhead.py"


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.ray
def test_a_quick_run_compares_both_sides(tmp_path: Path) -> None:
    words = [sys.executable, str(SCRIPT), "--quick", "--only", "wall", "--json", str(tmp_path / "found.json")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["wall"] > 0
    searches = [(one["side"], one["trials"]) for one in found["searches"]]
    assert searches == [("ours", 1), ("rival", 2), ("ours", 2)]
