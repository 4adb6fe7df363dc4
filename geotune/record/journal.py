"""The study's journal: one JSON line an event, one writer, a torn tail mended; Optuna's journal backend.

The lines are those of `optuna.storages.journal.JournalFileBackend`, so `optuna-dashboard` opens the file. Optuna's
own backend appends to a torn last line after a kill and then never reads the file again; and its lock, left behind
by a killed process, blocks the next for 30 s. Here the lock is the operating system's and ends with its holder.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from optuna.storages.journal import BaseJournalBackend

from geotune.errors import GeotuneError


class Journal(BaseJournalBackend):
    """Open for one writer until `close()`; a second writer gets a GeotuneError."""

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(f"{path}.lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise GeotuneError(
                f"{path.parent}: another geotune is running this search", "wait for it, or stop it first"
            ) from None
        self._logs = _mend(path)
        self._file = path.open("ab")

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        return self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = [json.dumps(log, separators=(",", ":")) for log in logs]
        self._file.write(("\n".join(lines) + "\n").encode())
        self._file.flush()
        os.fsync(self._file.fileno())
        # What a reader of the file would get: tuples are lists there.
        self._logs.extend(json.loads(line) for line in lines)

    def close(self) -> None:
        self._file.close()
        self._lock.release()


def _mend(path: Path) -> list[dict[str, Any]]:
    """Read all events; cut off what a killed writer left of its last one.

    Raises GeotuneError where a line in the middle is damaged: that is no torn tail, and guessing would lose trials.
    """
    if not path.exists():
        path.touch()
    logs: list[dict[str, Any]] = []
    whole = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                if not line.endswith(b"\n"):
                    break
                logs.append(json.loads(line))
            except ValueError:
                if file.read(1):
                    raise GeotuneError(f"{path}: line {number} is damaged", "restore the file from a copy") from None
                break
            whole += len(line)
    if whole < path.stat().st_size:
        with path.open("rb+") as file:
            file.truncate(whole)
            file.flush()
            os.fsync(file.fileno())
    return logs
