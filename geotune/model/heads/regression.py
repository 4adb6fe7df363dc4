"""The regression head: the coordinates themselves, by squared error and α times the geodesic distance."""

from typing import Literal

import torch
from numpy.typing import ArrayLike
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss

from geotune.config import Settings
from geotune.model.geography import Geography
from geotune.model.heads.base import Answers, Fitted, Head, Outputs, Targets, as_float64, trunk
from geotune.model.losses import geodesic

SMOOTH_L1_BEND = 0.1
"""Error in RMS radii below which smooth L1 is quadratic."""


class RegressionSettings(Settings):
    """`model.head.*` of a head that regresses the coordinates."""

    name: Literal["regression"] = "regression"
    """How features become a place"""
    loss: Literal["mse", "smooth_l1"] = "mse"
    """The loss on coordinates, in units of the training places' RMS radius"""
    alpha: float = Field(0.1, ge=0)
    """Weight of the geodesic distance in the loss, in the same units"""
    hidden: int = Field(0, ge=0, le=16384)
    """Width of a hidden layer; 0 is none"""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the head's inputs dropped in training"""

    def fit(self, geography: Geography, lat_deg: ArrayLike, lon_deg: ArrayLike, seed: int) -> Fitted:
        """Nothing to learn from the training places beyond their geography."""
        return {}

    def build(self, width: int, geography: Geography, fitted: Fitted) -> "RegressionHead":
        """The module for features of that width."""
        return RegressionHead(self, width, geography)


class RegressionHead(Head):
    """Outputs `point` (B, P): a region's place in RMS radii from the centre, the world's as a vector of any length."""

    def __init__(self, settings: RegressionSettings, width: int, geography: Geography) -> None:
        super().__init__(width, geography)
        self.settings = settings
        self.trunk, inner = trunk(width, settings.hidden, settings.dropout)
        self.point = nn.Linear(inner, geography.axes)
        # Training starts from the trivial answer, the centre, and not from a random place.
        nn.init.zeros_(self.point.weight)
        with torch.no_grad():
            self.point.bias.copy_(torch.from_numpy(geography.coordinates(geography.lat_deg, geography.lon_deg)))

    def outputs(self, features_BD: Tensor) -> Outputs:
        return {"point": self.point(self.trunk(features_BD))}

    def losses(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        radius = self.geography.radius
        point_BP, position_BP = outputs["point"].float(), targets["position"]
        if self.settings.loss == "mse":
            coordinates = ((point_BP - position_BP) / radius).square().sum(-1).mean()
        else:
            coordinates = (
                smooth_l1_loss(point_BP / radius, position_BP / radius, beta=SMOOTH_L1_BEND, reduction="none")
                .sum(-1)
                .mean()
            )
        distance = geodesic(point_BP, position_BP).mean() / radius
        return {"loss": coordinates + self.settings.alpha * distance, "coordinates": coordinates, "geodesic": distance}

    def decode(self, outputs: Outputs) -> Answers:
        return Answers(*self.geography.lat_lon(as_float64(outputs["point"])))
