"""What the machine, or the cluster, offers: CPUs, GPUs, and how many trials fit on them at once."""

import math
from dataclasses import dataclass

from geotune.data.threads import local_cpus
from geotune.errors import GeotuneError, SettingsError
from geotune.record.plan import SearchSettings

Node = tuple[float, float]
"""CPUs and GPUs of a node."""


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
    """The live nodes, and those that may join; a trial runs on one of them."""

    nodes: tuple[Node, ...]
    kinds: tuple[Node, ...] | None = None
    """What an autoscaler starts nodes with; None where nobody here knows, () where none will be started."""

    @property
    def hosts(self) -> "Offer":
        """The live nodes, and one of each kind that may be started."""
        return Offer(self.nodes + (self.kinds or ()), ())

    def __str__(self) -> str:
        there = f"{len(self.nodes)} node{'s' * (len(self.nodes) != 1)} with {_each(self.nodes)}"
        return f"{there}, and the autoscaler starts nodes with {_each(self.kinds)}" if self.kinds else there


def local_gpus() -> int:
    """CUDA devices that this process sees."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def this_machine() -> Offer:
    """What a search without `address` runs on."""
    return Offer(((float(local_cpus()), float(local_gpus())),), ())


def shape(settings: SearchSettings, offer: Offer) -> Shape:
    """A trial's share of a node: what the settings say, else one GPU with its share of the CPUs, else a CPU.

    A cluster that `address` names may have no workers yet and grow: where its autoscaler's kinds of nodes are known,
    they count; where they are not, a trial takes one GPU unless told. Raises GeotuneError where a trial fits neither on
    a live node nor on one that would be started.
    """
    if settings.packing == "auto" and (settings.gpus is not None or settings.executor == "inline"):
        alone = "gpus= says it already" if settings.executor != "inline" else "executor=inline runs one trial at a time"
        raise SettingsError([("packing", f"auto finds out how many trials share a GPU; {alone}")])
    hosts = offer.hosts
    have_gpus = any(gpus for _, gpus in hosts.nodes)
    have_cpus = any(cpus >= 1 for cpus, _ in hosts.nodes)
    growing = bool(settings.address) and offer.kinds is None and not have_gpus
    gpus = settings.gpus if settings.gpus is not None else float(have_gpus or (growing and not have_cpus))
    # the CPUs that go with a GPU on the leanest node that has one
    shares = [cpus // max(1.0, there / gpus) for cpus, there in hosts.nodes if there >= gpus] if gpus else []
    cpus = settings.cpus if settings.cpus is not None else max(1.0, min(shares, default=1.0))
    one = Shape(cpus, gpus)
    if not growing and not slots(one, hosts):
        raise GeotuneError(f"a trial asks for {one}; there is {offer}", "give cpus= or gpus= that fit on one node")
    return one


def slots(one: Shape, offer: Offer) -> int:
    """How many trials of a shape run at once on the live nodes."""
    return sum(
        int(min(cpus / one.cpus, gpus / one.gpus if one.gpus else math.inf) + 1e-9) for cpus, gpus in offer.nodes
    )


def _each(nodes: tuple[Node, ...]) -> str:
    return ", ".join(f"{cpus:g} CPUs and {gpus:g} GPUs" for cpus, gpus in dict.fromkeys(nodes))
