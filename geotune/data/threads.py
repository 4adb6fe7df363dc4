"""The CPUs of this process's lease, and the few threads that work on photos with them."""

import math
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

In = TypeVar("In")
Out = TypeVar("Out")

MOST = 64
"""Threads that work on photos, whatever the machine has."""

_lease: int | None = None
_pool: tuple[int, ThreadPoolExecutor] | None = None
_lock = threading.Lock()


class Room:
    """Bounds what several threads hold together, in whatever unit; what is larger than all of it is held alone."""

    def __init__(self, most: int) -> None:
        self._most, self._held, self._free = most, 0, threading.Condition()

    @contextmanager
    def of(self, amount: int) -> Iterator[None]:
        """Wait until so much more may be held, and hold it for a while; never within another."""
        with self._free:
            self._free.wait_for(lambda: not self._held or self._held + amount <= self._most)
            self._held += amount
        try:
            yield
        finally:
            with self._free:
                self._held -= amount
                self._free.notify_all()


def lease() -> int:
    """CPUs that this process may keep busy: what `set_lease` said, else all that `local_cpus` counts."""
    return _lease if _lease is not None else local_cpus()


def set_lease(cpus: int | None) -> None:
    """Say how many CPUs this process got, at least 1; None: all of the machine's. A trial's executor calls it."""
    global _lease  # noqa: PLW0603 - the lease belongs to the process, as torch's number of threads does
    if cpus is not None and cpus < 1:
        raise ValueError(f"a lease of {cpus} CPUs")
    _lease = cpus


@contextmanager
def leased(cpus: int | None) -> Iterator[None]:
    """A lease for a while; None: the one that there is."""
    before = _lease
    set_lease(before if cpus is None else cpus)
    try:
        yield
    finally:
        set_lease(before)


def local_cpus() -> int:
    """CPUs that this process may use: its affinity, then its cgroup's quota."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([affinity, *(math.ceil(quota) for quota in _quotas(Path("/sys/fs/cgroup"), _own_group()))]))


def _own_group() -> str:
    try:
        lines = Path("/proc/self/cgroup").read_text().split()
    except OSError:
        return "/"
    return next((line[3:] for line in lines if line.startswith("0::")), "/")


def _quotas(root: Path, group: str) -> Iterator[float]:
    """CPUs by the quota of a cgroup and of all above it (version 2), and by that of version 1."""
    own = root / group.strip("/")
    for folder in [own, *own.parents]:
        if not folder.is_relative_to(root):
            break
        yield from _ratio(folder, "cpu.max")
    yield from _ratio(root / "cpu", "cpu.cfs_quota_us", "cpu.cfs_period_us")


def _ratio(folder: Path, *names: str) -> Iterator[float]:
    try:
        quota, period = " ".join((folder / name).read_text() for name in names).split()
        if quota != "max" and int(quota) > 0 and int(period) > 0:
            yield int(quota) / int(period)
    except (OSError, ValueError):  # no such cgroup, or one of another make
        return


def pool() -> ThreadPoolExecutor:
    """As many threads as the lease has CPUs, shared by all of this process that decodes photos.

    Only for work that waits for none of its other work.
    """
    global _pool  # noqa: PLW0603
    wanted = min(MOST, lease())
    with _lock:
        if _pool is None or _pool[0] != wanted:  # what the old one was given is done all the same
            _pool = wanted, ThreadPoolExecutor(wanted, thread_name_prefix="photos")
        return _pool[1]


def _forked() -> None:
    """A child has none of its parent's threads."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def in_pool(work: Callable[[int], None], numbers: Sequence[int] | npt.NDArray[np.int64]) -> None:
    """`work` of each number in the pool; returns, or raises the first fault, when none is at work any more."""
    threads = min(MOST, lease())
    if threads == 1 or len(numbers) == 1:
        for number in numbers:
            work(int(number))
        return

    def part(start: int) -> None:
        for number in numbers[start::threads]:
            work(int(number))

    done = [pool().submit(part, start) for start in range(min(threads, len(numbers)))]
    wait(done)
    for future in done:
        future.result()


def in_threads(work: Callable[[In], Out], items: Iterable[In]) -> Iterator[Out]:
    """`work` of each item, in the order of the items; stops at once when the caller does.

    For work that frees the interpreter's lock: reading files, decoding photos. Memory holds a few dozen results.
    """
    threads = min(MOST, lease())
    waiting: deque[Future[Out]] = deque()
    with ThreadPoolExecutor(threads) as own:
        try:
            for item in items:
                waiting.append(own.submit(work, item))
                if len(waiting) >= 4 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
