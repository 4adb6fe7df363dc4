"""The running average of the trained weights, with which a model is validated, selected and exported: `train.ema`."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn

from geotune.model.geolocator import Geolocator

STATISTICS = ("running_mean", "running_var")
"""Buffers that training moves, step by step, as it moves weights; all others are constants, or are fitted anew."""


class Ema:
    """timm's ModelEmaV3 over what is trained: a frozen backbone is neither copied nor averaged.

    The decay warms up as 1 - (step + 1)^(-2/3): 0.9 after 30 steps, 0.99 after 1,000, then `decay` at the most. The
    average of a short run is therefore not held back by the weights that it began with.
    """

    def __init__(self, model: Geolocator, decay: float) -> None:
        """`decay` of 0: there is no average, and the weights are used as they are."""
        self._live = _Trained(model)
        self._average = ModelEmaV3(self._live, decay=decay, use_warmup=True) if decay else None

    def update(self, at: int) -> None:
        """After step number `at` ≥ 0 of the whole run, whose weights are taken in; after the first, they alone."""
        if self._average is not None:
            self._average.update(self._live, step=at + 1)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within it the model has the averaged weights; afterwards its own again, bit for bit."""
        if self._average is None:
            yield
            return
        live = list(self._live.tensors.values())
        kept = [tensor.detach().clone() for tensor in live]
        _copy(live, self._average.module.tensors.values())
        try:
            yield
        finally:
            _copy(live, kept)

    def state_dict(self) -> dict[str, Tensor]:
        """The average by the names of the model's weights; empty where there is none."""
        return {} if self._average is None else dict(self._average.module.tensors)

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take what `state_dict` gave; KeyError or RuntimeError where it is of another model or decay of 0."""
        own = self.state_dict()
        if own.keys() != state.keys():
            raise KeyError("another average of the weights")
        _copy(own.values(), [state[name] for name in own])


class _Trained(nn.Module):
    """The trained weights of a model and their running statistics, shared with it."""

    def __init__(self, model: Geolocator) -> None:
        super().__init__()
        trained = model.trainable_state().keys()
        self.names: list[str] = []
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                self.register_parameter(self._key(name), parameter)
        for name, buffer in model.named_buffers():
            if name in trained and name.endswith(STATISTICS):
                self.register_buffer(self._key(name), buffer)

    def _key(self, name: str) -> str:
        """A module's own names hold no dots."""
        self.names.append(name)
        return str(len(self.names))

    @property
    def tensors(self) -> dict[str, Tensor]:
        return dict(zip(self.names, [*self.parameters(), *self.buffers()], strict=True))


@torch.no_grad()
def _copy(into: Iterable[Tensor], values: Iterable[Tensor]) -> None:
    for tensor, value in zip(into, values, strict=True):
        tensor.copy_(value)
