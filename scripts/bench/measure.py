"""CPU time and memory of work in processes of its own, forked from this one, which has imported everything already."""

import multiprocessing
import os
import platform
import re
import resource
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Work = Callable[[], int]
"""Does something with photos -> how many there were."""

_fork = multiprocessing.get_context("fork")


def cpu_ms(work: Work, *, first: Work | None = None, at_once: int = 1) -> float:
    """User and system time a photo in milliseconds, worker processes included; `first` is not counted.

    With `at_once` several processes do the same at the same time: all their time by all their photos.
    """
    found = together([_timed(work, first)] * at_once)
    return sum(ms for ms, _ in found) / sum(photos for _, photos in found)


def cache_pss(work: Callable[[], object], mapped: str, processes: int) -> float:
    """Megabytes of the file `mapped` that count to so many processes together, after each did the work.

    What the work returns is held until all have looked.
    """
    barrier = _fork.Barrier(processes)

    def read() -> float:
        held = work()
        barrier.wait()  # shared pages are counted in shares: all must be alive
        found = pss_mb(mapped)
        barrier.wait()
        del held
        return found

    return float(sum(together([read] * processes)))


def pss_mb(mapped: str) -> float:
    """This process's share of the memory of mapped files whose path ends so."""
    total, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            inside = line.endswith(mapped)
        elif inside and line.startswith("Pss:"):
            total += int(line.split()[1])
    return total / 1024


@dataclass(frozen=True)
class Finished:
    """What a command took."""

    cpu_seconds: float
    peak_mb: float
    output: str


_LAUNCHER = """
import resource, subprocess, sys
failed = subprocess.run(sys.argv[1:], stderr=subprocess.STDOUT).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, file=sys.stderr)
sys.exit(failed != 0)
"""
"""Stands between us and a command: Linux counts what a process held before it became another, so what we hold."""


def command(words: Sequence[str], environment: dict[str, str]) -> Finished:
    """A command in a process of its own; what it says is shown where it fails."""
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, *words]
    done = subprocess.run(launcher, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    cpu_seconds, peak_mb = map(float, done.stderr.split())
    return Finished(cpu_seconds, peak_mb, done.stdout)


def machine_name() -> str:
    """What the figures were taken on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    cpu = next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.machine())
    return f"{cpu}, {os.cpu_count()} CPUs, Python {platform.python_version()}"


def _timed(work: Work, first: Work | None) -> Callable[[], tuple[float, int]]:
    def run() -> tuple[float, int]:
        if first:
            first()
        before = _used_ms()
        photos = work()
        return _used_ms() - before, photos

    return run


def _used_ms() -> float:
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return 1000 * sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, kinds))


def together(works: Sequence[Callable[[], Any]]) -> list[Any]:
    """What the works return, each done in a process of its own, all at the same time, with one thread each at first."""
    pipes, processes = [], []
    for work in works:
        ours, theirs = _fork.Pipe(duplex=False)
        process = _fork.Process(target=_child, args=(work, theirs))
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    try:
        return [pipe.recv() for pipe in pipes]
    except EOFError:
        raise SystemExit("a measurement failed; see above") from None
    finally:
        for process in processes:
            process.join()


def _child(work: Callable[[], Any], answer: Any) -> None:
    import torch

    torch.set_num_threads(1)
    try:
        answer.send(work())
    except BaseException:
        traceback.print_exc()
        raise
