"""A head as a user writes one: a point, by its distance alone."""

from typing import Any

import torch
from torch import Tensor, nn

from geotune.model.geography import Geography
from geotune.model.heads.base import Answers, Fitted, Outputs, Targets, as_float64, trunk
from geotune.model.heads.custom import CustomHead, CustomSettings
from geotune.model.losses import geodesic


class Point(CustomHead):
    """Outputs `point` (B, P)."""

    def __init__(self, settings: CustomSettings, width: int, geography: Geography, fitted: Fitted) -> None:
        super().__init__(settings, width, geography, fitted)
        self.trunk, inner = trunk(width, settings.hidden, settings.dropout)
        self.point = nn.Linear(inner, geography.axes)
        self.factor = float(settings.own.get("factor", 1.0))

    @classmethod
    def fit(cls, settings: CustomSettings, geography: Geography, lat_deg: Any, lon_deg: Any, seed: int) -> Fitted:
        return {"photos": len(lat_deg)}

    def outputs(self, features_BD: Tensor) -> Outputs:
        return {"point": self.point(self.trunk(features_BD))}

    def losses(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        return {"loss": self.factor * geodesic(outputs["point"].float(), targets["position"]).mean()}

    @torch.no_grad()
    def decode(self, outputs: Outputs) -> Answers:
        return Answers(*self.geography.lat_lon(as_float64(outputs["point"])))


class NoHead:
    """Not one."""
