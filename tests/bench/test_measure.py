"""What a command takes is its own: its figures hold nothing of the process that measures it."""

import os
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

command = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "bench" / "measure.py"))["command"]


def test_the_peak_is_that_of_the_command() -> None:
    held = np.ones(60_000_000)  # 480 MB
    small = command([sys.executable, "-c", "import sys; print('said'); print('told', file=sys.stderr)"], os.environ)
    assert 1 < small.peak_mb < 100
    assert sorted(small.output.split()) == ["said", "told"]
    large = command([sys.executable, "-c", "held = bytes(b'x' * 200_000_000); sum(range(3_000_000))"], os.environ)
    assert 190 < large.peak_mb < 300
    assert large.cpu_seconds > small.cpu_seconds > 0
    assert held.all()


def test_what_a_command_that_fails_says_is_shown() -> None:
    with pytest.raises(SystemExit, match=r"-c import nothing_such failed:\n(.*\n)*ModuleNotFoundError"):
        command([sys.executable, "-c", "import nothing_such"], os.environ)
