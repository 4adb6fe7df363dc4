"""The hybrid head: which cell, and where within it."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from geotune.model.geography import Geography
from geotune.model.heads.base import Answers, Fitted, Outputs, Targets
from geotune.model.heads.cells import CellsHead, OnCells
from geotune.model.losses import geodesic

VOTING = 8
"""Cells a photo whose offsets are trained: beyond them a label has next to no weight."""


class HybridSettings(OnCells):
    """`model.head.*` of a head that classifies into cells and regresses the offset from the cell's centre."""

    name: Literal["hybrid"] = "hybrid"
    """How features become a place"""
    alpha: float = Field(0.1, ge=0)
    """Weight of the offset's geodesic error, in RMS cell radii, beside the cells' cross-entropy"""

    def build(self, width: int, geography: Geography, fitted: Fitted) -> "HybridHead":
        """The module for features of that width."""
        return HybridHead(self, width, geography, fitted)


class HybridHead(CellsHead):
    """Outputs `logits` (B, K) and `offsets` (B, K, P): where each cell sees the photo, in radii from its centre."""

    def __init__(self, settings: HybridSettings, width: int, geography: Geography, fitted: Fitted) -> None:
        super().__init__(settings, width, geography, fitted)
        self.offsets = nn.Linear(self.inner, len(self.partition) * geography.axes)
        nn.init.zeros_(self.offsets.weight)  # training starts from the cells' centres
        nn.init.zeros_(self.offsets.bias)

    def outputs(self, features_BD: Tensor) -> Outputs:
        inner_BH = self.trunk(features_BD)
        offsets_BKP = self.offsets(inner_BH).unflatten(-1, (len(self.partition), self.geography.axes))
        return {"logits": self.logits(inner_BH), "offsets": offsets_BKP}

    def losses(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        cells = super().losses(outputs, targets)["loss"]
        weight_Bv, cell_Bv = self._voters(targets)
        index_BvP = cell_Bv[..., None].expand(-1, -1, self.geography.axes)
        offset_BvP = outputs["offsets"].float().gather(1, index_BvP)
        point_BvP = self.centres[cell_Bv] + offset_BvP * self.cell_radius
        distance_Bv = geodesic(point_BvP, targets["position"][:, None]) / self.cell_radius
        inside_B = targets["cell"] >= 0  # a photo outside all cells must not teach cell 0 where it lies
        offset = ((weight_Bv * distance_Bv).sum(-1) * inside_B).sum() / inside_B.sum().clamp(min=1)
        return {"loss": cells + self.settings.alpha * offset, "cells": cells, "offset": offset}

    def decode(self, outputs: Outputs) -> Answers:
        with torch.no_grad():
            probability_BK = outputs["logits"].float().softmax(-1)
            return self.local_mean(probability_BK, outputs["offsets"])

    def _voters(self, targets: Targets) -> tuple[Tensor, Tensor]:
        """Weights (B, v), Σ = 1, and indices (B, v) of the cells that learn where the photo lies."""
        labels = self.labels(targets)
        if labels.ndim == 1:
            return torch.ones_like(labels[:, None], dtype=torch.float32), labels[:, None]
        top = labels.topk(min(VOTING, len(self.partition)), dim=-1)
        return top.values / top.values.sum(-1, keepdim=True), top.indices
