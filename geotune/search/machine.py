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


@dataclass(frozen=True)
class Offer:
    """The CPUs and GPUs of a machine, or of a cluster's live nodes."""

    cpus: float
    gpus: float


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


def shape(settings: SearchSettings, offer: Offer) -> Shape:
    """A trial's share of what is there: what the settings say, else one GPU with its share of the CPUs, else a CPU.

    A cluster that `address` names may have no workers yet and grow: there a trial takes one GPU unless told. Raises
    GeotuneError where not even one trial fits.
    """
    growing = bool(settings.address) and offer.gpus == 0
    some = 1.0 if offer.gpus or (growing and offer.cpus < 1) else 0.0
    gpus = settings.gpus if settings.gpus is not None else some
    at_once = max(1.0, offer.gpus / gpus) if gpus else offer.cpus
    cpus = settings.cpus if settings.cpus is not None else max(1.0, offer.cpus // max(1.0, at_once))
    one = Shape(cpus, gpus)
    if not growing and (cpus > offer.cpus or gpus > offer.gpus):
        there = f"there are {offer.cpus:g} CPUs and {offer.gpus:g} GPUs"
        raise GeotuneError(f"a trial asks for {one}, but {there}", "give cpus= or gpus= that fit")
    return one


def slots(one: Shape, offer: Offer) -> int:
    """How many trials of a shape run at once."""
    by_gpu = offer.gpus / one.gpus if one.gpus else math.inf
    return max(0, int(min(offer.cpus / one.cpus, by_gpu) + 1e-9))
