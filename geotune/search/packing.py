"""`packing=auto`: how many trials share a GPU, from the first one that was measured on it; one until then.

One fraction serves a whole search. A trial that needs more memory than its share splits its batches into smaller
portions (geotune.train.memory): it trains the same, and slower.
"""

import json
import math
from dataclasses import asdict, dataclass

from geotune.model.backbone import FROZEN_WHOLE
from geotune.record.folder import RunFolder, read_json, write_atomic
from geotune.record.plan import Plan
from geotune.search.machine import Offer, Shape
from geotune.train.device import CONTEXT_BYTES

MOST = 8
"""Trials a GPU at the most: each holds about a gigabyte of the machine's memory besides."""
ROOM = 1.25
"""Memory that a trial is given, by what the measured one took: others of the search are larger."""


NAME = "packing.json"


@dataclass(frozen=True)
class Measured:
    """What an epoch of a trial with a whole GPU took."""

    peak_mb: float
    """Of the GPU's memory (train/peak_mb)."""
    waiting: float
    """Share of its steps' time that it waited for photos (train/waiting)."""
    gpu_mb: float
    """Memory of the GPU."""
    cpus_used: float
    """Its process's CPU seconds a second."""


def trials_a_gpu(found: Measured, cpus_a_gpu: float, cpus_a_trial: float = 1.0, *, heads_only: bool = False) -> int:
    """How many such trials one GPU and its CPUs hold without slowing one another down much.

    The least of three: what the memory holds; what the CPUs hold; and as many as it takes to keep the GPU busy that one
    trial leaves idle while it waits. Where only heads are trained, on stored features, steps are so small that a GPU
    is idle between them although nothing is waited for: there the last does not count.
    """
    context_mb = CONTEXT_BYTES / 1e6
    by_memory = found.gpu_mb / (ROOM * found.peak_mb + context_mb)
    by_cpus = cpus_a_gpu / max(cpus_a_trial, found.cpus_used)
    by_idleness = MOST if heads_only else round(1 / max(1e-9, 1 - min(1.0, found.waiting)))
    return max(1, min(MOST, math.floor(min(by_memory, by_cpus, by_idleness))))


class Packing:
    """What a trial of one search takes, now. It stands in packing.json, from which a resumed search goes on."""

    def __init__(self, plan: Plan, run: RunFolder, one: Shape, offer: Offer) -> None:
        self.one = one
        self._plan, self._run, self._whole = plan, run, one
        self._cpus_a_gpu = min((cpus / gpus for cpus, gpus in offer.hosts.nodes if gpus), default=one.cpus)
        self.measures = plan.settings.packing == "auto" and one.gpus >= 1
        """Whether it still waits for a trial to be measured."""
        if self.measures and read_json(run.path / NAME):
            self.one, self.measures = shared(run, one), False

    def learn(self, found: Measured) -> None:
        """Take what an epoch of a trial with a whole GPU took; the first counts."""
        if not self.measures or found.gpu_mb <= 0:
            return
        space, given = self._plan.space, self._plan.settings.cpus
        frozen = set(space.possible("model.frozen_layers")) == {FROZEN_WHOLE}
        heads_only = frozen and 0 not in space.possible("input.views")
        count = trials_a_gpu(found, self._cpus_a_gpu, given or 1.0, heads_only=heads_only)
        if count > 1:
            gpus = math.floor(1e4 / count) / 1e4  # Ray counts in ten-thousandths: three of 0.3333 fit
            self.one = Shape(given or max(1.0, self._cpus_a_gpu // count), gpus)
        self.measures = False
        write_atomic(self._run.path / NAME, json.dumps(asdict(self.one) | asdict(found)) + "\n")


def shared(run: RunFolder, one: Shape) -> Shape:
    """What a trial of a running search takes: what its packing found, else `one`, as where it goes on without GPUs."""
    told = read_json(run.path / NAME)
    return Shape(told["cpus"], told["gpus"]) if told and one.gpus else one
