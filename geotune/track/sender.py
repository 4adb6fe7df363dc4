"""The run folder -> MLflow, whenever MLflow answers: a search never waits for it and never fails with it.

Everything sent is read from the record, so nothing is lost by an outage, and `sync` may be repeated or killed at any
instant: runs are found by our own tags before any is created, values carry the record's own times, and the cursor
(`track.json`) only spares work.
"""

import sys
import threading
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from geotune.record.driver import is_running
from geotune.record.folder import RunFolder, read_json
from geotune.record.public import shown
from geotune.track.cursor import Cursor
from geotune.track.mlflow import check_uri, store_uri
from geotune.track.sending import Sending, Sent

LONGEST_PAUSE_SECONDS = 30.0
"""Between two tries while MLflow does not answer."""


class NullSender:
    """`tracking=none`: the same calls, and nothing happens."""

    def start(self) -> None:
        """Begin to send in the background."""

    def sync(self) -> Sent | None:
        """Send all that is new, now."""
        return None

    def close(self, seconds: float = 20.0) -> None:
        """Send the rest within a time limit and end."""


class Sender(NullSender):
    """Brings one run folder into MLflow; any number of them, in any processes, may work on the same folder."""

    def __init__(
        self, run: Path, tracking: str = "", *, every: float = 5.0, warn: Callable[[str], None] | None = None
    ) -> None:
        """`tracking` is MLflow's URI, "" for the store embedded in the runs folder. Nothing is opened yet."""
        self._run = run.resolve()
        self._uri = tracking or store_uri(self._run.parent)
        self._every = every
        self._warn = warn or (lambda text: print(f"geotune: {text}", file=sys.stderr))  # noqa: T201
        self._warned = False
        self._behind = False
        """The last pass did not come to its end."""
        self._sending: Sending | None = None
        self._left = (0, 0)
        """The cursor's file as this sender left it."""
        self._patience = 0.0
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()

    def start(self) -> None:
        if self._thread is not None:
            return
        self._thread = threading.Thread(target=self._work, name="geotune-mlflow", daemon=True)
        self._thread.start()

    def close(self, seconds: float = 20.0) -> None:
        self._patience = seconds
        self._ending.set()
        if self._thread is None:
            self.start()
        assert self._thread is not None
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._behind = True
            self._tell("no answer in time")
        if self._behind:
            self._warn(f"MLflow does not have all results; what is missing is sent by geotune sync {self._shown_run()}")

    def _work(self) -> None:
        pause = self._every
        while True:
            ending = self._ending.is_set()
            try:
                if ending:  # another process may be at it: what came since it looked is still to be sent
                    self._behind = self.sync("KILLED", wait_seconds=self._patience) is None
                else:
                    self.sync()
                    self._behind = False
                pause = self._every
            except Exception as error:  # whatever MLflow raises: the search goes on
                self._behind = True
                self._tell(reason(error))
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            if ending:
                return
            self._ending.wait(pause)

    def _tell(self, why: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(
                f"MLflow ({shown(self._uri)}) does not take the results: {shown(why)[:300]}\n"
                "  The search goes on without it; what is missing there is sent as soon as it answers."
            )

    def _shown_run(self) -> Path:
        return self._run.relative_to(Path.cwd()) if self._run.is_relative_to(Path.cwd()) else self._run

    def sync(self, unfinished: str | None = "RUNNING", *, wait_seconds: float = 0.0) -> Sent | None:
        """Send what MLflow does not have yet -> how much that was. Raises what MLflow raises.

        `unfinished` is the status that runs without an outcome get; None leaves it as it is. While another process is
        at it nothing is done; None where that lasts longer than is to be waited.
        """
        try:
            with FileLock(self._run / "track.json.lock", timeout=wait_seconds):
                run = RunFolder.open(self._run)
                path = self._run / "track.json"
                untouched = _stamp(path) == self._left
                cursor = Cursor(path, shown(self._uri))
                if self._sending is None or not untouched:  # what another process did, to another store maybe, counts
                    self._sending = Sending(run, self._uri, cursor)
                try:
                    return self._sending.send(cursor, unfinished)
                except Exception:
                    self._sending = None  # it may be another store that answers next
                    raise
                finally:
                    self._left = _stamp(path)
        except Timeout:
            return None


def open_sender(run: Path, tracking: str, *, warn: Callable[[str], None] | None = None) -> NullSender:
    """The sender for `tracking=`: "" for the runs folder's own store, `none`, or a URI (GeotuneError if it is none)."""
    if tracking == "none":
        return NullSender()
    if tracking:
        check_uri(tracking)
    return Sender(run, tracking, warn=warn)


def catch_up(runs: Path) -> list[str]:
    """Send to a runs folder's own store what an outage or a kill left out; the names of runs where that failed."""
    failed = []
    for path in sorted(runs.glob("*/track.json")):
        if read_json(path).get("tracking") == store_uri(runs):
            try:
                unfinished = None if is_running(RunFolder(path.parent)) else "KILLED"
                Sender(path.parent, "").sync(unfinished)
            except Exception:
                failed.append(path.parent.name)
    return failed


def _stamp(path: Path) -> tuple[int, int]:
    """Differs whenever the file has been written anew."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_ino)


def reason(error: Exception) -> str:
    """The first line of what an error says."""
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__
