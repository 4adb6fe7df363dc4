"""A user's own command that runs at a new best trial, a failure and the end: `notify=`."""

import math
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import Literal

from geotune.record.folder import RunFolder
from geotune.record.outcome import Outcome
from geotune.record.record import Record
from geotune.record.words import value_text

Event = Literal["best", "failure", "end"]
PATIENCE_SECONDS = 60.0
"""A command that takes longer is killed."""
PARTING_SECONDS = 3.0
"""How long the end of a search waits for commands; what runs by then runs on by itself."""


class Notifier:
    """Runs the command for one event after another in a thread of its own; without a command it does nothing.

    It never delays a search: of several new bests that wait, the latest is told. It never breaks one: what goes wrong
    with the command is said once, through `warn`.
    """

    def __init__(self, command: str, run: RunFolder, warn: Callable[[str], None]) -> None:
        self._command, self._run, self._warn = command, run, warn
        self._waiting: queue.SimpleQueue[dict[str, str] | None] = queue.SimpleQueue()
        self._bests = 0  # told, the number of the latest
        self._warned = False
        self._parting = threading.Event()
        self._thread = threading.Thread(target=self._work, name="notify", daemon=True)
        if command:
            self._thread.start()

    def tell(self, event: Event, text: str, *, trial: int | None = None, value: float | None = None) -> None:
        """Have the command run with $GEOTUNE_EVENT and so on; returns at once."""
        if not self._command:
            return
        self._bests += event == "best"
        words = {
            "GEOTUNE_EVENT": event,
            "GEOTUNE_RUN": str(self._run.path),
            "GEOTUNE_TRIAL": "" if trial is None else str(trial),
            "GEOTUNE_VALUE": "" if value is None else f"{value:.6g}",
            "GEOTUNE_TEXT": text,
        }
        self._waiting.put(words | ({"GEOTUNE_BEST": str(self._bests)} if event == "best" else {}))

    def close(self) -> None:
        """See that every command is started; one that hangs is left behind."""
        if self._command:
            self._parting.set()
            self._waiting.put(None)
            self._thread.join(PARTING_SECONDS)

    def _work(self) -> None:
        while (words := self._waiting.get()) is not None:
            if words.pop("GEOTUNE_BEST", str(self._bests)) == str(self._bests):
                self._start(words)

    def _start(self, words: Mapping[str, str]) -> None:
        with ExitStack() as open_files:
            try:
                said = open_files.enter_context(tempfile.TemporaryFile())  # a full disk may have no room for it
                process = subprocess.Popen(
                    self._command,
                    shell=True,
                    env=os.environ | words,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=said,  # no pipe: the command may outlive this process
                    start_new_session=True,  # Ctrl-C is meant for the search
                )
            except (OSError, ValueError) as error:  # ValueError: a NUL in what an error says
                self._say(str(error))
                return
            if self._wait(process) and process.returncode:
                said.seek(0)
                last = said.read().decode(errors="replace").strip().splitlines()[-1:]
                self._say(f"exit code {process.returncode}{''.join(f': {line}' for line in last)}")

    def _wait(self, process: "subprocess.Popen[bytes]") -> bool:
        """Whether the command has ended; one that hangs is killed, or left behind where the search ends."""
        begun = time.monotonic()
        while time.monotonic() - begun < PATIENCE_SECONDS:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.2)
                return True
            if self._parting.is_set() and self._waiting.qsize() > 1:  # besides the word that ends this thread
                return False
        if sys.platform == "win32":
            process.kill()
        else:
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)  # and what the shell has started
        self._say(f"no end after {PATIENCE_SECONDS:.0f} s")
        return False

    def _say(self, problem: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(f"notify={self._command}: {problem[:300]}; the search goes on")


class Herald:
    """Sees in an open record what is worth telling: a new best trial, and one that crashed for good.

    A best trial is told once when it takes the lead and once more, if it came further, when it has ended.
    """

    def __init__(self, record: Record, notifier: Notifier) -> None:
        self._record, self._notifier = record, notifier
        self._told = self._leader() or (-1, math.nan, False)  # the best trial, its value, whether it has ended
        self._crashed = self._failed().keys()

    def look(self) -> None:
        """Tell what is new since the last look."""
        leader, failed = self._leader(), self._failed()
        if leader and (leader[0] != self._told[0] or (leader[2] and leader[1] != self._told[1])):
            number, value, _ = leader
            text = f"trial {number} is the best so far: {value_text(value, self._record.plan.goal)}"
            self._notifier.tell("best", f"{self._record.run.name}: {text}", trial=number, value=value)
            self._told = leader
        for number in failed.keys() - self._crashed:
            text = f"{self._record.run.name}: trial {number} crashed: {failed[number]}"
            self._notifier.tell("failure", text, trial=number)
        self._crashed = failed.keys()

    def _leader(self) -> tuple[int, float, bool] | None:
        best = self._record.best()
        return (best.number, best.best, best.state not in ("running", "due")) if best else None

    def _failed(self) -> dict[int, str]:
        crashed = [view for view in self._record.trials() if view.state == Outcome.CRASHED]
        return {view.number: "".join(view.reason.strip().splitlines()[-1:]) for view in crashed}
