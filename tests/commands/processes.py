"""`geotune …` in processes of their own, as a user starts, watches, kills and limits them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Geotune = Callable[..., "subprocess.Popen[str]"]


@contextmanager
def processes(folder: Path, cache: Path) -> Iterator[Geotune]:
    """Start `geotune …` in a folder; what still runs at the end of the block is ended.

    `limit_kb` is the largest file that the process may write.
    """
    started: list[subprocess.Popen[str]] = []
    environment = os.environ | {"GEOTUNE_CACHE": str(cache), "COLUMNS": "200"}

    def start(*words: object, limit_kb: int = 0) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "geotune", *map(str, words)]
        if limit_kb:
            command = ["bash", "-c", f'ulimit -f {limit_kb}; exec "$0" "$@"', *command]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)
        started.append(process)
        return process

    try:
        yield start
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
                process.wait()


def ended(process: "subprocess.Popen[str]", code: int = 0) -> str:
    """What it printed, once it has ended with that code; with its errors where the code is not 0."""
    out, err = process.communicate(timeout=240)
    assert process.returncode == code, out + err
    return out if code == 0 else out + err


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]", seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
