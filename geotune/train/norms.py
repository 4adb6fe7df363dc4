"""Layers that look at several photos together while they learn (BatchNorm): which a model has, and their averages."""

import torch
from torch import nn


class Averages:
    """The running averages of such layers of a module, kept so that a step that is repeated counts them once."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._live: list[torch.Tensor] | None = None
        self._kept: list[torch.Tensor] = []

    def keep(self) -> None:
        """As they are now, in training mode; which layers are trained is looked up the first time."""
        if self._live is None:
            self._live = [buffer for layer in looking_at_batches(self._module) for buffer in layer.buffers(False)]
            self._kept = [buffer.clone() for buffer in self._live]
        elif self._live:
            torch._foreach_copy_(self._kept, self._live)

    @torch.no_grad()
    def put_back(self) -> None:
        """As they were when they were kept."""
        if self._live:
            torch._foreach_copy_(self._live, self._kept)

    @torch.no_grad()
    def settle(self, finite: torch.Tensor) -> None:
        """After a step: as they were kept if it was skipped (`finite` is a scalar on the device, which is not waited
        for). A batch without a finite loss can leave averages without a finite value, for ever."""
        for live, kept in zip(self._live or [], self._kept, strict=True):
            torch.where(finite, live, kept, out=live)


def looking_at_batches(module: nn.Module) -> list[nn.Module]:
    """The layers that now, in training mode, take mean and spread over the photos that pass by together.

    torch's and timm's BatchNorm, and timm's others that keep a running variance (EvoNorm). Frozen ones are in eval
    mode, and not among them.
    """
    return [
        layer
        for layer in module.modules()
        if layer.training
        and (isinstance(layer, nn.modules.batchnorm._BatchNorm) or getattr(layer, "running_var", None) is not None)
    ]


def looks_at_batches(module: nn.Module) -> bool:
    """Whether it will, once it is put into training mode."""
    before = module.training
    module.train()
    found = bool(looking_at_batches(module))
    module.train(before)
    return found
