"""How many photos are in memory at once: a first guess, halved whenever memory runs out."""

import gc
import logging
from collections.abc import Callable, Iterator
from typing import Literal, ParamSpec, TypeVar

import torch

from geotune.train.outcomes import Infeasible

P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger(__name__)

# On a CPU larger portions gain no speed and would fill the memory, on which other trials live too.
CPU_PHOTOS = 32


class MicroBatch:
    """The portion of a batch that is in memory at once.

    `size` only ever shrinks. As gradients add up, a smaller portion changes the speed and, where BatchNorm is
    trained, the photos over which it averages; nothing else.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def parts(self, photos: int) -> Iterator[slice]:
        """Consecutive slices of at most `size` that cover `photos`, evenly: BatchNorm cannot train on one."""
        count = -(-photos // self.size)
        for part in range(count):
            yield slice(photos * part // count, photos * (part + 1) // count)

    def shrink(self) -> None:
        """Halve; raises Infeasible when one photo is already too many."""
        if self.size == 1:
            raise Infeasible("out of memory with a single photo")
        self.size = (self.size + 1) // 2


def first_guess(setting: int | Literal["auto"], batch_size: int, device: torch.device) -> MicroBatch:
    """`train.micro_batch`; auto is the whole batch on a GPU, which says when it is full, else a modest part."""
    if setting == "auto":
        setting = batch_size if device.type == "cuda" else CPU_PHOTOS
    return MicroBatch(min(setting, batch_size))


def within_memory(micro: MicroBatch, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`work(…)`, repeated from its start with half the micro-batch for as long as memory runs out.

    Raises Infeasible when it runs out with one photo too. `work` must be repeatable and read `micro` anew.
    """
    while True:
        try:
            return work(*args, **kwargs)
        except RuntimeError as error:  # torch.OutOfMemoryError is one; a CPU's allocator raises a bare one
            if not is_out_of_memory(error):
                raise
            reason = str(error).splitlines()[0]
        # Outside the except block: the error's frames, which hold the tensors, are gone by now.
        micro.shrink()
        if torch.cuda.is_available():
            gc.collect()
            torch.cuda.empty_cache()
        log.info("out of memory; going on with %d photos at once (%s)", micro.size, reason)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a GPU's or the CPU's allocator had nothing left to give."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and (
        "DefaultCPUAllocator: can't allocate memory" in text
        or "DefaultCPUAllocator: not enough memory" in text
        or "MPS backend out of memory" in text
    )
