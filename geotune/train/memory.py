"""How many photos are in memory at once: where that begins, and what happens when memory runs out."""

import gc
import logging
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

import torch

from geotune.model.geolocator import Geolocator
from geotune.train.fits import Fits
from geotune.train.norms import looks_at_batches
from geotune.train.outcomes import Infeasible
from geotune.train.settings import TrainConfig
from geotune.train.shortage import amounts, is_out_of_memory

P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger(__name__)

CPU_PHOTOS = 32
"""On a CPU larger portions gain no speed and would fill the memory, on which other trials live too."""
GPU_PHOTOS = 1024
"""On a GPU, which says when it is full, the whole batch, up to so many."""


class MicroBatch:
    """The portion of a batch that is in memory at once; `size` only ever shrinks.

    A portion of `fixed` size never does: BatchNorm learns from the photos that pass by together, and its result must
    not depend on what happened to fit. Everywhere else a smaller portion changes the speed and nothing else.
    """

    def __init__(self, size: int, *, fixed: bool = False, fits: Fits | None = None) -> None:
        """`fits`: where to write down what fitted and what did not."""
        self.size = size
        self.fixed = fixed
        self._fits = fits
        self._largest = 0

    def parts(self, photos: int) -> Iterator[slice]:
        """Consecutive slices of at most `size` that cover `photos`, evenly: BatchNorm cannot train on one."""
        count = -(-photos // self.size)
        for part in range(count):
            yield slice(photos * part // count, photos * (part + 1) // count)

    def fitted(self, photos: int) -> None:
        """A batch of so many passed by in parts."""
        largest = -(-photos // -(-photos // self.size))
        if self._fits and largest > self._largest:
            self._largest = largest
            self._fits.fitted(largest)

    def shrink(self) -> bool:
        """Halve; False where one photo is already too many, or the size is fixed."""
        if self._fits:
            self._fits.failed(self.size)
            self._largest = 0
        if self.fixed or self.size == 1:
            return False
        self.size = (self.size + 1) // 2
        return True

    def infeasible(self, reason: str) -> Infeasible:
        """What to raise when memory ran out for good, by the allocator's message."""
        if self.fixed and self.size > 1:
            what = f"{self.size} photos, over which BatchNorm takes its averages,"
            mend = f"set train.norm_batch below {self.size}, or take a smaller model.backbone or smaller input.sizes"
        else:
            what, mend = "a single photo", "take a smaller model.backbone or smaller input.sizes"
        return Infeasible(f"out of memory with {what} at a time{amounts(reason)}", mend)


def training_portion(model: Geolocator, config: TrainConfig, batch: int) -> MicroBatch:
    """Where training on photos begins, of batches of so many in this process.

    `train.norm_batch` for a model that trains BatchNorm. Else `train.micro_batch`, of which auto is what fitted before
    on this node, or as much as may fit.
    """
    settings = config.train
    if looks_at_batches(model):
        return MicroBatch(min(settings.norm_batch, batch), fixed=True)
    if settings.micro_batch != "auto":
        return MicroBatch(min(settings.micro_batch, batch))
    fits = Fits.of(model, config, gradients=True)
    on_gpu = next(model.parameters()).device.type == "cuda"
    return MicroBatch(fits.start(min(batch, GPU_PHOTOS if on_gpu else CPU_PHOTOS)), fits=fits)


def plain_portion(model: Geolocator, config: TrainConfig, most: int) -> MicroBatch:
    """Where photos begin to pass without gradients: with `most` at once, or what fitted before on this node."""
    fits = Fits.of(model, config, gradients=False)
    return MicroBatch(fits.start(most), fits=fits)


def in_parts(micro: MicroBatch, forward: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor) -> torch.Tensor:
    """What `forward` makes of inputs (b, …), row by row: in parts that fit."""
    return within_memory(micro, lambda: torch.cat([forward(inputs[part]) for part in micro.parts(len(inputs))]))


def within_memory(micro: MicroBatch, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """`work(…)`, repeated from its start with half the micro-batch for as long as memory runs out.

    Raises Infeasible when it runs out with one photo too, or with a portion of fixed size. `work` must be repeatable
    and read `micro` anew.
    """
    last = False
    while True:
        try:
            return work(*args, **kwargs)
        except RuntimeError as error:  # torch.OutOfMemoryError is one; a CPU's allocator raises a bare one
            if not is_out_of_memory(error):
                raise
            reason = str(error)
        # Outside the except block: the error's frames, which hold the tensors, are gone by now.
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if not micro.shrink():
            if last:
                raise micro.infeasible(reason)
            last = True  # once more as it is: memory was in pieces, or a neighbour on the device has let go of some
        log.info("out of memory; going on with %d photos at once (%s)", micro.size, reason.splitlines()[0])
