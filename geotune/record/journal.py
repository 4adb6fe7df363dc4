"""The study's journal: one JSON line an event, one writer, a torn tail mended; Optuna's journal backend.

The lines are those of `optuna.storages.journal.JournalFileBackend`, so `optuna-dashboard` opens the file. Optuna's
own backend appends to a torn last line after a kill and then never reads the file again; and its lock, left behind
by a killed process, blocks the next for 30 s. Here the lock is the operating system's and ends with its holder.
Events are streamed from the file to the one storage that reads them, and none is kept.
"""

import json
import mmap
import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from filelock import Timeout
from optuna.storages.journal import BaseJournalBackend

from geotune.errors import MEND, DiskError, GeotuneError
from geotune.record.driver import GLANCE_SECONDS, lock_of

NEW_TRIAL = b'{"op_code":4,'
"""How the line begins that creates a trial (optuna.storages.journal's CREATE_TRIAL); no JSON text holds a line end."""

TOGETHER = 500
"""Lines that are parsed at a time."""


class Journal(BaseJournalBackend):
    """Open for one writer until `close()`; a second writer gets a GeotuneError.

    At first it tells only what stands up to the newest trial's creation, until `go_on()`: what the study was at that
    instant is what the next proposal is made from.
    """

    def __init__(self, path: Path) -> None:
        self._lock = lock_of(path)
        try:
            self._lock.acquire(timeout=GLANCE_SECONDS)
        except Timeout:
            raise GeotuneError(
                f"{path.parent}: another geotune is running this search", "wait for it, or stop it first"
            ) from None
        self.path = path
        self.seen = 0
        """Events that the reader has been told."""
        self.last: dict[str, Any] = {}
        """The newest of those that the file held when it was opened, as far as they have been told."""
        self._told_bytes = 0
        self._size = _mend(path)
        self._until = _newest_trial(path)
        self._file = path.open("ab", buffering=0)
        self._fresh: deque[dict[str, Any]] = deque()  # written since, and perhaps not yet told
        self._held: list[bytes] | None = None  # lines that are to be written together
        self._broken = False

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """The events from a number on; each is told once, in order, which is how Optuna's storage asks."""
        assert log_number_from == self.seen, "the journal has one reader"
        if self._told_bytes < self._until:
            yield from self._stream()
        while self._fresh:
            self.seen += 1
            yield self._fresh.popleft()

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = [json.dumps(log, separators=(",", ":")).encode() + b"\n" for log in logs]
        if self._held is None:
            self._write(lines)
        else:
            self._held += lines
        # What a reader of the file would get: tuples are lists there.
        self._fresh.extend(json.loads(line) for line in lines)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Events of one step are written at its end, all at once: one wait for the disk, hardly ever half a step."""
        if self._held is not None:
            yield
            return
        self._held = []
        try:
            yield
        finally:
            lines, self._held = self._held, None
            self._write(lines)

    def go_on(self) -> None:
        """Tell the rest from now on."""
        self._until = self._size

    def close(self) -> None:
        self._file.close()
        self._lock.release()

    def _write(self, lines: list[bytes]) -> None:
        """Lines that stand in the file when this returns; where they cannot, the file is left without them."""
        assert self._told_bytes == self._until, "read before it is written to"
        text = memoryview(b"".join(lines))
        if self._broken:  # the study in memory is ahead of the file: what came next would not fit to it
            raise DiskError(f"{self.path}: an earlier event could not be written", MEND)
        try:
            while text:
                text = text[self._file.write(text) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            self._broken = True
            os.truncate(self.path, self._size)
            raise DiskError(f"{self.path}: cannot be written ({error.strerror})", MEND) from None
        self._size += sum(map(len, lines))
        self._told_bytes = self._until = self._size

    def _stream(self) -> Iterator[dict[str, Any]]:
        """What the file holds, on to where it is to be told.

        Raises GeotuneError where a line is damaged: that is no torn tail, and guessing would lose trials.
        """
        with self.path.open("rb") as file:
            file.seek(self._told_bytes)
            while self._told_bytes < self._until:
                lines = list(islice(file, TOGETHER))
                for event, line in zip(self._parsed(lines), lines, strict=True):
                    if self._told_bytes >= self._until:
                        return
                    self._told_bytes += len(line)
                    self.seen += 1
                    self.last = event
                    yield event

    def _parsed(self, lines: list[bytes]) -> list[dict[str, Any]]:
        """Events of so many lines that come next; parsed as one text, which takes half the time."""
        try:
            events: list[dict[str, Any]] = json.loads(b"[" + b",".join(lines) + b"]")
        except ValueError:
            events = []
        if len(events) == len(lines):
            return events
        for number, line in enumerate(lines, start=self.seen + 1):
            try:
                json.loads(line)
            except ValueError:
                problem = f"{self.path}: line {number} is damaged"
                raise GeotuneError(problem, "restore the file from a copy") from None
        return [json.loads(line) for line in lines]


def _mend(path: Path) -> int:
    """Cut off what a killed writer left of its last line; the size in bytes of what is whole."""
    with path.open("ab+") as file:
        size = whole = file.tell()
        if not size:
            return 0
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            whole = text.rfind(b"\n") + 1
            begin = text.rfind(b"\n", 0, max(0, whole - 1)) + 1
            try:
                json.loads(text[begin:whole] or b"{}")
            except ValueError:
                whole = begin
        if whole < size:
            file.truncate(whole)
            os.fsync(file.fileno())
    return whole


def _newest_trial(path: Path) -> int:
    """Where the line ends that creates the newest trial; 0 where none does."""
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return 0
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            begin = text.rfind(b"\n" + NEW_TRIAL) + 1
            return text.find(b"\n", begin) + 1 if begin else 0
