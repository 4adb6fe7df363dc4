"""A real process of `geotune …` that need not import torch: forked from one that has (see `zygote`).

It has a pid, a folder, an environment, pipes and limits of its own, and ends as Python ends. Only its imports were made
before: what a library reads from the environment when it is imported is what the session's first command had there.
"""

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from tests.commands.zygote import NUMBER


class Command:
    """A `geotune …` that runs: `pid`, and once it has ended `returncode`, negative for a signal."""

    def __init__(self, words: list[str], folder: Path, environment: Mapping[str, str], limit_kb: int = 0) -> None:
        self.args, self.returncode, self._said = words, None, {}
        (out, out_end), (err, err_end), (self._status, status_end) = os.pipe(), os.pipe(), os.pipe()
        order = {"words": words, "folder": str(folder), "environment": dict(environment), "limit_kb": limit_kb}
        socket.send_fds(_zygote(), [json.dumps(order).encode()], ends := [out_end, err_end, status_end])
        for end in ends:
            os.close(end)
        (self.pid,) = NUMBER.unpack(os.read(self._status, NUMBER.size))
        self._readers = [threading.Thread(target=self._read, args=(pipe,), daemon=True) for pipe in (out, err)]
        for reader in self._readers:
            reader.start()

    def _read(self, pipe: int) -> None:
        with os.fdopen(pipe) as file:
            self._said[threading.current_thread()] = file.read()

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            (self.returncode,) = NUMBER.unpack(os.read(self._status, NUMBER.size))
            os.close(self._status)
        return self.returncode

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """All that it printed, once it has ended and nothing that it began holds its pipes any more."""
        self.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        out, err = (self._said[reader] for reader in self._readers)
        return out, err

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@functools.cache
def _zygote() -> socket.socket:
    """This session's process that forks, by the socket that takes its orders. It ends when that closes."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "tests.commands.zygote", str(theirs.fileno())]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=Path(__file__).parents[2], **quiet)
    theirs.close()
    atexit.register(process.wait, 10)
    atexit.register(ours.close)
    return ours
