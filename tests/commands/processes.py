"""`geotune …` in processes of their own, as a user starts, watches, kills and limits them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Union

from tests.commands.forked import Command

Process = Union["subprocess.Popen[str]", Command]
Geotune = Callable[..., Process]
FORKS = sys.platform == "linux"


@contextmanager
def processes(folder: Path, cache: Path) -> Iterator[Geotune]:
    """Start `geotune …` in a folder; what still runs at the end of the block is ended.

    `limit_kb` is the largest file that the process may write; a `fresh` one imports all by itself, as a user's does.
    """
    started: list[Process] = []
    environment = os.environ | {"GEOTUNE_CACHE": str(cache), "COLUMNS": "200"}

    def start(*words: object, limit_kb: int = 0, fresh: bool = False) -> Process:
        said = list(map(str, words))
        if FORKS and not fresh:
            started.append(Command(said, folder, environment, limit_kb))
            return started[-1]
        command = [sys.executable, "-m", "geotune", *said]
        if limit_kb:
            command = ["bash", "-c", f'ulimit -f {limit_kb}; exec "$0" "$@"', *command]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    try:
        yield start
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
                process.wait()


def ended(process: Process, code: int = 0) -> str:
    """What it printed, once it has ended with that code; with its errors where the code is not 0."""
    out, err = process.communicate(timeout=240)
    assert process.returncode == code, out + err
    return out if code == 0 else out + err


def wait_for(condition: Callable[[], bool], process: Process, seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
