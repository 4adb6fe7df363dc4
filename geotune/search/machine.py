"""What the machine, or the cluster, offers: CPUs, GPUs, and how many trials fit on them at once."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from geotune.errors import GeotuneError
from geotune.record.plan import SearchSettings


@dataclass(frozen=True)
class Shape:
    """What one trial takes."""

    cpus: float
    gpus: float

    @property
    def threads(self) -> int:
        """CPU threads that a trial may use."""
        return max(1, int(self.cpus))

    def __str__(self) -> str:
        gpus = f" and {self.gpus:g} GPU" if self.gpus else ""
        return f"{self.cpus:g} CPU{gpus}"


def local_cpus() -> int:
    """CPUs that this process may use: its affinity, then its cgroup's quota."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return affinity if quota == "max" else max(1, min(affinity, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):
        return affinity


def local_gpus() -> int:
    """CUDA devices that this process sees."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def shape(settings: SearchSettings, cpus: float, gpus: float) -> Shape:
    """A trial's share of `cpus` and `gpus`: what the settings say, else one GPU with its share of the CPUs, else a CPU.

    Raises GeotuneError where not even one trial fits.
    """
    wanted_gpus = settings.gpus if settings.gpus is not None else float(min(gpus, 1))
    at_once = max(1.0, gpus / wanted_gpus) if wanted_gpus else cpus
    wanted_cpus = settings.cpus if settings.cpus is not None else max(1.0, cpus // at_once)
    one = Shape(wanted_cpus, wanted_gpus)
    if wanted_cpus > cpus or wanted_gpus > gpus:
        raise GeotuneError(
            f"a trial asks for {one}, but there are {cpus:g} CPUs and {gpus:g} GPUs", "give cpus= or gpus= that fit"
        )
    return one


def slots(one: Shape, cpus: float, gpus: float) -> int:
    """How many trials of a shape run at once."""
    by_gpu = gpus / one.gpus if one.gpus else math.inf
    return max(0, int(min(cpus / one.cpus, by_gpu) + 1e-9))
