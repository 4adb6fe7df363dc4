"""The processes that train one model together: which of them this is, and what they exchange.

Without torch.distributed there is one, and nothing is exchanged. A batch is the batch of all of them: each takes a
contiguous part, and after `mean` all hold the gradients that one process would have had of the whole.
"""

from collections.abc import Iterable
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn

T = TypeVar("T")


def rank() -> int:
    """This process's number among those that train together; 0 reports and saves."""
    return distributed.get_rank() if _together() else 0


def size() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if _together() else 1


def part(photos: int) -> slice:
    """This process's photos of a batch of `photos`: contiguous, as many as the others have, or one more or fewer."""
    return slice(photos * rank() // size(), photos * (rank() + 1) // size())


@torch.no_grad()
def mean(photos: int, parameters: Iterable[nn.Parameter], losses: dict[str, Tensor]) -> dict[str, Tensor]:
    """Gradients and losses that are means over this process's `photos` -> means over those of all, everywhere.

    One exchange; processes without photos take part, with no gradients and the same names of losses.
    """
    if not _together():
        return losses
    weights = [parameter for parameter in parameters if parameter.requires_grad]
    device = weights[0].device
    flat = [torch.zeros_like(w).view(-1) if w.grad is None else w.grad.reshape(-1) for w in weights]
    own = [loss.reshape(1).to(device) for loss in losses.values()]
    bucket = torch.cat([*flat, *own]).float() * photos
    bucket = torch.cat([bucket, torch.tensor([float(photos)], device=device)])
    distributed.all_reduce(bucket)
    bucket = bucket[:-1] / bucket[-1]
    *gradients, told = torch.split(bucket, [w.numel() for w in weights] + [len(own)])
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = gradient.view_as(weight).to(weight.dtype)
    return dict(zip(losses, told.unbind(), strict=True))


@torch.no_grad()
def average(tensors: Iterable[Tensor]) -> None:
    """Tensors -> their means over the processes: BatchNorm's running statistics, as each saw its own photos."""
    if _together():
        for tensor in tensors:
            if tensor.is_floating_point():
                distributed.all_reduce(tensor)
                tensor /= size()


@torch.no_grad()
def same(module: nn.Module) -> None:
    """Weights and buffers of all processes -> those of the first."""
    if _together():
        for tensor in [*module.parameters(), *module.buffers()]:
            distributed.broadcast(tensor.data, 0)


def gathered(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rows (n, …) of all processes, one after another; numbers of rows may differ."""
    if not _together():
        return rows
    parts: list[NDArray[np.float64]] = [rows] * size()
    distributed.all_gather_object(parts, rows)
    return np.concatenate(parts)


def agreed(value: T) -> T:
    """What the first process gives, everywhere: plain data."""
    if not _together():
        return value
    held = [value]
    distributed.broadcast_object_list(held, 0)
    return held[0]


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
