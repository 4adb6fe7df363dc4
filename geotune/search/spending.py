"""A clock at work: it ticks, what is spent is written to the run folder, and a changed budget is read from there."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from geotune.errors import GeotuneError
from geotune.record.budget import read_limits, read_spend, write_spend
from geotune.record.folder import RunFolder
from geotune.record.plan import Plan
from geotune.search.background import repeated
from geotune.search.budget import UNLIMITED, Clock

TICK_SECONDS = 0.5
WRITE_SECONDS = 2.0


def clock_of(run: RunFolder, plan: Plan, *, limited: bool = True) -> Clock:
    """The clock of a run, with what it has spent before; `limited=False` heeds no limit."""
    return Clock(read_limits(run, plan) if limited else UNLIMITED, read_spend(run))


@contextmanager
def spending(run: RunFolder, plan: Plan, clock: Clock) -> Iterator[None]:
    """While the block runs the clock's spend stands in spend.json, two seconds old at the most, and its limits follow
    budget.yaml.

    Trouble with the files ends no search: a budget that cannot be read leaves the limits as they are.
    """
    heed = clock.limits is not UNLIMITED
    written, seen = 0.0, _stamp(run)

    def act() -> None:
        nonlocal written, seen
        clock.tick()
        if heed and (stamp := _stamp(run)) != seen:
            seen = stamp
            with suppress(GeotuneError):  # edited by hand, and half done: the next look finds it whole
                clock.limits = read_limits(run, plan)
        if time.monotonic() - written >= WRITE_SECONDS:
            _write(run, clock)
            written = time.monotonic()

    try:
        with repeated(act, TICK_SECONDS, "budget"):
            yield
    finally:
        _write(run, clock)


def _write(run: RunFolder, clock: Clock) -> None:
    with suppress(OSError):  # a full disk, say; the search itself says so
        write_spend(run, clock.spend)


def _stamp(run: RunFolder) -> tuple[int, int]:
    try:
        found = run.budget_yaml.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_ino)
