"""What every head is: standardised features in; outputs, a loss and places out.

A head's settings class offers two steps, so that a model can be rebuilt from plain data without its training set:
`fit(geography, lat, lon, seed)` looks at the training places and returns plain data (JSON), and
`build(width, geography, fitted)` makes the module from it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from geotune.geo.sphere import Floats
from geotune.model.dropout import Dropout
from geotune.model.geography import Geography

Outputs = dict[str, Tensor]
"""What a head computes for B photos: float32 tensors (B, …) under names of its own."""
Targets = dict[str, Tensor]
"""What a head needs to know of B photos to learn: tensors (B, …); `position` (B, P) is always there."""
Fitted = dict[str, Any]
"""What a head learnt from the training places before any training: plain data."""

FARTHEST_RADII = 10.0  # a stray photo must not outweigh all others in a squared error


@dataclass(frozen=True)
class Candidates:
    """The likeliest places of B photos, k each, the best first; (B, k) float64: degrees and probabilities."""

    lat: Floats
    lon: Floats
    probability: Floats


@dataclass(frozen=True)
class Answers:
    """Where B photos were taken: (B,) degrees, float64."""

    lat: Floats
    lon: Floats
    confidence: Floats | None = None
    """(B,) the probability that a head gives to the neighbourhood of its answer; None where it has no idea."""
    candidates: Candidates | None = None

    def __len__(self) -> int:
        return len(self.lat)

    @classmethod
    def concat(cls, parts: Sequence["Answers"]) -> "Answers":
        """The answers of several batches (at least one) of one model, in order."""
        first = parts[0]
        candidates = None
        if first.candidates is not None:
            own = [part.candidates for part in parts if part.candidates is not None]
            names = ("lat", "lon", "probability")
            candidates = Candidates(*(np.concatenate([getattr(one, name) for one in own]) for name in names))
        sure = [part.confidence for part in parts if part.confidence is not None]
        return cls(
            np.concatenate([part.lat for part in parts]),
            np.concatenate([part.lon for part in parts]),
            np.concatenate(sure) if first.confidence is not None else None,
            candidates,
        )


class Standardise(nn.Module):
    """Features (B, D) minus their mean, over their spread: both fitted once before training, then fixed."""

    mean: Tensor
    spread: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))

    def fit(self, features: Iterable[Tensor]) -> None:
        """Take mean and spread of batches (b, D) of raw features; a feature that never varies keeps a spread of 1."""
        all_ND = torch.cat([batch.detach().float().cpu() for batch in features]).double()
        spread_D, mean_D = torch.std_mean(all_ND, dim=0, correction=0)
        spread_D[spread_D < 1e-6 * (1 + mean_D.abs())] = 1.0
        self.mean.copy_(mean_D)
        self.spread.copy_(spread_D)

    def forward(self, features_BD: Tensor) -> Tensor:
        return (features_BD - self.mean) / self.spread


class Head(nn.Module, ABC):
    """Features (B, D) -> outputs -> loss and places; all in float32, also under autocast: metres need the digits."""

    compares = False
    """Whether the loss compares the photos of a batch; else it is a mean of terms that each concern one photo alone."""

    def __init__(self, width: int, geography: Geography) -> None:
        super().__init__()
        self.geography = geography
        self.standardise = Standardise(width)

    def forward(self, features_BD: Tensor) -> Outputs:
        """Raw pooled features of any float kind -> outputs."""
        with torch.autocast(features_BD.device.type, enabled=False):
            return self.outputs(self.standardise(features_BD.float()))

    def loss(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Means over the photos: `loss`, the one to differentiate, and its parts. Scalars."""
        with torch.autocast(targets["position"].device.type, enabled=False):
            return self.losses(outputs, targets)

    def targets(self, lat_deg: ArrayLike, lon_deg: ArrayLike) -> Targets:
        """Degrees (N,) -> targets on the CPU. A region's strays are drawn in to ten RMS radii."""
        position_NP = self.geography.coordinates(lat_deg, lon_deg)
        if self.geography.extent == "region":
            length_N1 = np.linalg.norm(position_NP, axis=-1, keepdims=True)
            position_NP = position_NP * np.minimum(1.0, FARTHEST_RADII / np.maximum(length_N1, 1e-12))
        return {"position": torch.from_numpy(position_NP.astype(np.float32))}

    @property
    def remembers(self) -> NDArray[np.int64]:
        """Rows of the training photos whose features the head keeps: none, as a rule."""
        return np.empty(0, np.int64)

    def remember(self, features: Iterable[Tensor]) -> None:
        """Keep the raw features, batches (b, D) in order, of the photos that `remembers` names.

        Training calls it in eval mode after every epoch, as the features may have changed.
        """
        raise NotImplementedError(f"{type(self).__name__} keeps no photos")

    @abstractmethod
    def outputs(self, features_BD: Tensor) -> Outputs:
        """Standardised float32 features -> outputs."""

    @abstractmethod
    def losses(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """`loss` and its parts, as `loss` gives them."""

    @abstractmethod
    def decode(self, outputs: Outputs) -> Answers:
        """Outputs on any device -> places, computed in float64 on the CPU."""


def trunk(width: int, hidden: int, dropout: float) -> tuple[nn.Module, int]:
    """What stands before a head's last layer, and its width: dropout and, where `hidden` is above 0, a hidden layer."""
    if not hidden:
        return Dropout(dropout), width
    return nn.Sequential(Dropout(dropout), nn.Linear(width, hidden), nn.GELU(), Dropout(dropout)), hidden


def as_float64(tensor: Tensor) -> Floats:
    """A tensor on any device -> a float64 array (MPS has no float64 of its own)."""
    array: Floats = tensor.detach().float().cpu().numpy().astype(np.float64)
    return array
