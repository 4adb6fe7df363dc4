"""Whether a search runs: its driver holds the lock of the run's journal, and a killed one's lock has ended with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from geotune.errors import GeotuneError
from geotune.record.folder import RunFolder

GLANCE_SECONDS = 0.5
"""A driver waits so long for the lock: whoever only looks holds it for an instant."""


def lock_of(journal: Path) -> FileLock:
    """The lock beside a journal; the operating system's, so it ends with its holder."""
    return FileLock(f"{journal}.lock")


def is_running(run: RunFolder) -> bool:
    """Whether a process has the run open as its driver, also a paused one.

    Of another user's run, whose lock may not be looked at, this is not known: False.
    """
    lock = lock_of(run.journal)
    if not Path(lock.lock_file).exists():
        return False
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


@contextmanager
def kept_from_running(run: RunFolder) -> Iterator[None]:
    """No driver can begin within the block; GeotuneError where one is at work."""
    try:
        with lock_of(run.journal).acquire(timeout=GLANCE_SECONDS):
            yield
    except Timeout:
        raise GeotuneError(f"{run.path}: a search runs there", "stop it first, with Ctrl-C in its terminal") from None
