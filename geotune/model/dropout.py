"""Dropout that does not depend on how a batch is cut: a photo's mask follows from its place in the batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from torch import Tensor, nn

BLOCK = 64
"""Photos whose masks are drawn together, from one seed."""
_BITS = 0xFFFF_FFFF_FFFF_FFFF


@dataclass
class _Portion:
    """The part of a batch that is passing by."""

    seed: int
    first: int
    photos: int
    calls: int = 0
    """Dropouts that it has passed: the next one's number within the model."""


_now: ContextVar[_Portion | None] = ContextVar("portion", default=None)


@contextmanager
def portion(seed: int, part: slice) -> Iterator[None]:
    """For one forward pass: these rows of the batch that `seed` stands for. Outside, torch's own generator draws."""
    token = _now.set(_Portion(seed, part.start, part.stop - part.start))
    try:
        yield
    finally:
        _now.reset(token)


class Dropout(nn.Module):
    """In training, zeroes a share `p` of (B, …) and scales the rest up, so that the mean stays.

    `what` is dropped whole: an "element", a "channel" (dimension 1; torch's Dropout2d) or a "photo" (timm's DropPath).
    """

    def __init__(self, p: float, what: Literal["element", "channel", "photo"] = "element", scale: bool = True) -> None:
        super().__init__()
        self.p, self.what, self.scale = p, what, scale

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.p:
            return x
        return x * self._mask(x)

    def extra_repr(self) -> str:
        return f"p={self.p}, {self.what}"

    def _mask(self, x: Tensor) -> Tensor:
        """What `x` is multiplied with, of a shape that broadcasts to its own."""
        kept = {"element": x.ndim, "channel": 2, "photo": 1}[self.what]
        shape = (*x.shape[:kept], *(1 for _ in x.shape[kept:]))
        now = _now.get()
        if now is None or shape[0] % now.photos:
            return self._drawn(x.new_empty(shape), None)
        now.calls += 1
        each = shape[0] // now.photos  # a window attention has several rows a photo, those of a photo together
        generator = _generator(x.device)
        blocks = []
        for block in range(now.first // BLOCK, -(-(now.first + now.photos) // BLOCK)):
            generator.manual_seed(mixed(now.seed, now.calls, block))
            blocks.append(self._drawn(x.new_empty((BLOCK * each, *shape[1:])), generator))
        start = now.first % BLOCK * each
        return torch.cat(blocks)[start : start + shape[0]] if len(blocks) > 1 else blocks[0][start : start + shape[0]]

    def _drawn(self, mask: Tensor, generator: torch.Generator | None) -> Tensor:
        mask.bernoulli_(1 - self.p, generator=generator)
        return mask.div_(1 - self.p) if self.scale and self.p < 1 else mask


def swap(net: nn.Module) -> nn.Module:
    """Put `Dropout` in the place of all that a timm model drops out with."""
    from timm.layers import DropPath

    kinds: tuple[tuple[type[nn.Module], Literal["element", "channel", "photo"]], ...] = (
        (nn.Dropout, "element"),
        (nn.Dropout2d, "channel"),
        (DropPath, "photo"),
    )
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            for kind, what in kinds:
                p = getattr(child, "drop_prob" if kind is DropPath else "p", 0.0)
                if isinstance(child, kind) and p:
                    setattr(parent, name, Dropout(p, what, getattr(child, "scale_by_keep", True)))
    return net


def mixed(*numbers: int) -> int:
    """A seed (63 bits) from several whole numbers (SplitMix64, Steele et al. 2014)."""
    z = 0
    for number in numbers:
        z = (z + number + 0x9E37_79B9_7F4A_7C15) & _BITS
        z = ((z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9) & _BITS
        z = ((z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB) & _BITS
        z ^= z >> 31
    return z >> 1


@cache
def _generator(device: torch.device) -> torch.Generator:
    return torch.Generator(device)
