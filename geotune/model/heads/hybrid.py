"""The hybrid head: which cell, and where within it."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import linear

from geotune.model.geography import Geography
from geotune.model.heads.base import Answers, Fitted, Outputs, Targets
from geotune.model.heads.cells import CellsHead, OnCells
from geotune.model.losses import geodesic

VOTING = 8
"""Cells a photo whose offsets are trained: beyond them a label has next to no weight."""
DECODED = 128
"""Photos decoded at once: bounds how many cells count for any of them."""


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
    """Outputs `logits` (B, K) and `inner` (B, H), from which each cell says where it sees the photo.

    Offsets, in radii from a cell's centre, are computed of the cells that count alone: all of 50,000 for 1,024 photos
    would be 600 MB, and as much again for their gradient.
    """

    def __init__(self, settings: HybridSettings, width: int, geography: Geography, fitted: Fitted) -> None:
        super().__init__(settings, width, geography, fitted)
        self.offsets = nn.Linear(self.inner, len(self.partition) * geography.axes)
        nn.init.zeros_(self.offsets.weight)  # training starts from the cells' centres
        nn.init.zeros_(self.offsets.bias)

    def outputs(self, features_BD: Tensor) -> Outputs:
        inner_BH = self.trunk(features_BD)
        return {"logits": self.logits(inner_BH), "inner": inner_BH}

    def losses(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        labels = self.labels(targets)
        cells = self.entropy(outputs["logits"], labels, targets)
        weight_Bv, cell_Bv = self._voters(labels)
        point_BvP = self.centres[cell_Bv] + self._offsets(outputs["inner"].float(), cell_Bv) * self.cell_radius
        distance_Bv = geodesic(point_BvP, targets["position"][:, None]) / self.cell_radius
        inside_B = targets["cell"] >= 0  # a photo outside all cells must not teach cell 0 where it lies
        offset = ((weight_Bv * distance_Bv).sum(-1) * inside_B).mean()
        return {"loss": cells + self.settings.alpha * offset, "cells": cells, "offset": offset}

    @torch.no_grad()
    def decode(self, outputs: Outputs) -> Answers:
        both = (torch.split(outputs[name].float(), DECODED) for name in ("logits", "inner"))
        with torch.autocast(outputs["inner"].device.type, enabled=False):
            return Answers.concat([self._answers(*part) for part in zip(*both, strict=True)])

    def _answers(self, logits_BK: Tensor, inner_BH: Tensor) -> Answers:
        return self.local_mean(logits_BK.softmax(-1), lambda cell_Bm: self._offsets(inner_BH, cell_Bm))

    def _offsets(self, inner_BH: Tensor, cell_Bv: Tensor) -> Tensor:
        """(B, v, P): what those cells say of the photos, in radii."""
        axes = self.geography.axes
        cell_U, at_Bv = torch.unique(cell_Bv, return_inverse=True)
        row_R = (cell_U[:, None] * axes + torch.arange(axes, device=cell_U.device)).flatten()
        offset_BR = linear(inner_BH, self.offsets.weight[row_R], self.offsets.bias[row_R])
        return offset_BR.view(len(inner_BH), -1, axes).gather(1, at_Bv[..., None].expand(-1, -1, axes))

    def _voters(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Weights (B, v), Σ = 1, and indices (B, v) of the cells that learn where the photo lies."""
        if labels.ndim == 1:
            return torch.ones_like(labels[:, None], dtype=torch.float32), labels[:, None]
        top = labels.topk(min(VOTING, len(self.partition)), dim=-1)
        return top.values / top.values.sum(-1, keepdim=True), top.indices
