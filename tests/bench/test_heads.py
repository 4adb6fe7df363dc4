"""The bench of heads runs, on a few photos, and says all that it promises; its figures mean nothing here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench" / "heads.py"
HEADS = (
    "mean place",
    "nearest photo",
    "regression",
    "cells",
    "hierarchical",
    "hybrid",
    "multitask",
    "mixture",
    "retrieval",
)


@pytest.mark.slow
def test_a_quick_run_gives_every_figure(tmp_path: Path) -> None:
    words = [sys.executable, str(SCRIPT), "--quick", "--json", str(tmp_path / "found.json")]
    done = subprocess.run(
        words, capture_output=True, text=True, env=os.environ | {"TMPDIR": str(tmp_path)}, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    for head in HEADS:
        row = found[f"demo-block/{head}"]
        assert row["low"] <= row["median"] <= row["high"]
        assert row["mean"] > 0
        assert row["baseline"] == found["demo-block/nearest photo"]["median"]
    assert found["borders"]["borders"]["crossing"] == 0
    assert found["times"]["s2/2000"]["cells"] > 0
    assert "in the right country" in done.stdout
    assert not list(tmp_path.glob("geotune-bench-*"))  # it tidies up
