"""The mixture head: a density over the Earth, the sum of von Mises-Fisher distributions."""

import math
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from pydantic import Field
from torch import Tensor, nn

from geotune.config import Settings
from geotune.geo.cells import kmeans
from geotune.model.geography import Geography
from geotune.model.heads.base import Answers, Candidates, Fitted, Head, Outputs, Targets, as_float64, trunk
from geotune.model.losses import on_surface

REACH = 16.0
"""Log concentrations stay within so much of the training places' own: to a 3,000th of their radius."""
RANKED = 5
"""Candidates a photo."""
HEAVIEST = 64
"""Components that take part in an answer: of thousands, the others weigh nothing."""


class MixtureSettings(Settings):
    """`model.head.*` of a head that gives a density: several places, each with a weight and a width."""

    name: Literal["mixture"] = "mixture"
    """How features become a place"""
    components: int = Field(16, ge=1, le=4096)
    """Distributions in the sum; fewer where there are fewer places"""
    hidden: int = Field(0, ge=0, le=16384)
    """Width of a hidden layer; 0 is none"""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the head's inputs dropped in training"""

    def fit(self, geography: Geography, lat_deg: ArrayLike, lon_deg: ArrayLike, seed: int) -> Fitted:
        """Where the components' means start: k-means of the training places."""
        partition = kmeans.build(lat_deg, lon_deg, self.components, seed)
        return {
            "centres_lat": partition.centres_lat.tolist(),
            "centres_lon": partition.centres_lon.tolist(),
            "radius_km": partition.radius_km,
        }

    def build(self, width: int, geography: Geography, fitted: Fitted) -> "MixtureHead":
        """The module for features of that width."""
        return MixtureHead(self, width, geography, fitted)


class MixtureHead(Head):
    """Outputs `weights` (B, M) logits, `means` (B, M, P), `concentrations` (B, M) as logarithms.

    The loss is the negative log likelihood in units of the training places' RMS radius, so that 0 is about what a
    single bell over all of them scores. In a region's plane a von Mises-Fisher distribution is a normal one.
    """

    def __init__(self, settings: MixtureSettings, width: int, geography: Geography, fitted: Fitted) -> None:
        super().__init__(width, geography)
        centre_MP = geography.coordinates(fitted["centres_lat"], fitted["centres_lon"])
        components, axes = centre_MP.shape
        self.near = max(float(fitted["radius_km"]) / geography.km_per_unit, 1e-9)
        """Components within about so much, in coordinates, answer together."""
        self.log_unit = -2 * math.log(geography.radius)
        self.trunk, inner = trunk(width, settings.hidden, settings.dropout)
        self.weights = nn.Linear(inner, components)
        self.means = nn.Linear(inner, components * axes)
        self.concentrations = nn.Linear(inner, components)
        # Training starts from the same wide bells, for every photo, over the places that there are.
        for layer in (self.means, self.concentrations):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.means.bias.copy_(torch.from_numpy(centre_MP.ravel()))

    def outputs(self, features_BD: Tensor) -> Outputs:
        inner_BH = self.trunk(features_BD)
        means_BMP = self.means(inner_BH).unflatten(-1, (-1, self.geography.axes))
        raw_BM = self.concentrations(inner_BH)
        return {
            "weights": self.weights(inner_BH),
            "means": on_surface(means_BMP),
            "concentrations": self.log_unit + REACH * torch.tanh(raw_BM / REACH),
        }

    def losses(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        squared_BM = (outputs["means"].float() - targets["position"][:, None]).square().sum(-1)
        log_kappa_BM = outputs["concentrations"].float()
        density_BM = log_normaliser(log_kappa_BM, self.geography.axes) - log_kappa_BM.exp() * squared_BM / 2
        log_weight_BM = outputs["weights"].float().log_softmax(-1)
        likelihood = (log_weight_BM + density_BM).logsumexp(-1).mean() - self.log_unit
        return {"loss": -likelihood, "likelihood": likelihood}

    @torch.no_grad()
    def decode(self, outputs: Outputs) -> Answers:
        """The mean of the components around the one with the most weight about it; their weight is the confidence."""
        top = outputs["weights"].float().softmax(-1).topk(min(HEAVIEST, outputs["weights"].shape[-1]), dim=-1)
        index_BMP = top.indices[..., None].expand(-1, -1, self.geography.axes)
        weight_BM, mean_BMP = as_float64(top.values), as_float64(outputs["means"].gather(1, index_BMP))
        best_B = np.empty(len(weight_BM), int)
        for photo, (weight_M, mean_MP) in enumerate(zip(weight_BM, mean_BMP, strict=True)):
            best_B[photo] = np.argmax(self._nearness(mean_MP[:, None] - mean_MP) @ weight_M)
        rows = np.arange(len(best_B))
        near_BM = weight_BM * self._nearness(mean_BMP - mean_BMP[rows, best_B][:, None])
        mass_B = near_BM.sum(-1)
        position_BP = np.einsum("bm,bmp->bp", near_BM, mean_BMP) / mass_B[:, None]
        ranked = Candidates(*self.geography.lat_lon(mean_BMP[:, :RANKED]), weight_BM[:, :RANKED])
        return Answers(*self.geography.lat_lon(position_BP), mass_B, ranked)

    def _nearness(self, apart: np.ndarray) -> np.ndarray:
        """Differences (…, P) -> 1 at no distance, falling with the cells' radius."""
        return np.asarray(np.exp(-np.square(apart).sum(-1) / (2 * self.near**2)))


def log_normaliser(log_kappa: Tensor, axes: int) -> Tensor:
    """What stands before exp(-κ·chord²/2), as a logarithm; right in float32 from uniform (κ -> 0) to κ = 1e12.

    On the sphere κ / (2π·(1 - exp(-2κ))), which is κ / (4π·sinh κ) with exp(κ) taken out (κ·cos = κ - κ·chord²/2):
    nothing overflows. In the plane κ / 2π.
    """
    if axes == 2:
        return log_kappa - math.log(2 * math.pi)
    # log κ - log(1 - exp(-2κ)): below κ = 1e-4 the difference of two large logarithms; there it is -log 2 + κ.
    kappa = log_kappa.exp()
    exact = log_kappa - torch.log(-torch.expm1(-2 * kappa.clamp(min=1e-4)))
    return torch.where(kappa > 1e-4, exact, kappa - math.log(2)) - math.log(2 * math.pi)
