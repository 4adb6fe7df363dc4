"""The hierarchical head: cells on several levels, each fine one inside a coarse one; their product answers."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from pydantic import Field
from torch import Tensor, nn

from geotune.geo.cells import kmeans
from geotune.model.geography import Geography
from geotune.model.heads.base import Answers, Fitted, Outputs, Targets
from geotune.model.heads.cells import CellsHead, OnCells

FEWEST = 2
"""Cells of a level: one alone says nothing."""


class HierarchicalSettings(OnCells):
    """`model.head.*` of a head that classifies into cells on several levels at once."""

    name: Literal["hierarchical"] = "hierarchical"
    """How features become a place"""
    levels: int = Field(3, ge=2, le=8)
    """Levels of cells, with model.head.cells on the finest; those that would have fewer than two cells are left out"""
    branching: int = Field(4, ge=2, le=1000)
    """Cells of a level in one of the level above, on the average"""
    decode: Literal["argmax", "local_mean"] = "local_mean"
    """The centre of the likeliest cell, or the mean of the cells around it, weighted by their probability"""

    def fit(self, geography: Geography, lat_deg: ArrayLike, lon_deg: ArrayLike, seed: int) -> Fitted:
        """The finest cells, and for each level above them the cell that each finest one lies in."""
        fitted = super().fit(geography, lat_deg, lon_deg, seed)
        return fitted | {"parents": _parents(fitted, self.levels, self.branching, seed)}

    def build(self, width: int, geography: Geography, fitted: Fitted) -> "HierarchicalHead":
        """The module for features of that width."""
        return HierarchicalHead(self, width, geography, fitted)


class HierarchicalHead(CellsHead):
    """Outputs `logits` (B, K) of the finest cells and `logits_1` (B, K1), `logits_2`, … of the levels above them.

    A cell's probability is the product over all levels, over its sum (Müller-Budack et al. 2018): a fine cell
    in an unlikely country is unlikely.
    """

    def __init__(self, settings: HierarchicalSettings, width: int, geography: Geography, fitted: Fitted) -> None:
        super().__init__(settings, width, geography, fitted)
        self.above = nn.ModuleList()
        for level, parents in enumerate(fitted["parents"], start=1):
            # Not persistent: part of the plain data that a model is rebuilt from.
            self.register_buffer(f"parent_{level}", torch.tensor(parents), persistent=False)
            self.above.append(nn.Linear(self.inner, max(parents) + 1))

    def outputs(self, features_BD: Tensor) -> Outputs:
        inner_BH = self.trunk(features_BD)
        above = {f"logits_{level}": linear(inner_BH) for level, linear in enumerate(self.above, start=1)}
        return {"logits": self.logits(inner_BH), **above}

    def losses(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """The sum of the levels' cross-entropies; a coarse cell's label is the sum of its finest cells' labels."""
        labels = self.labels(targets)
        parts = {"cells": self.entropy(outputs["logits"], labels, targets)}
        for level in range(1, len(self.above) + 1):
            own = self._coarse(labels, self._parent(level), outputs[f"logits_{level}"].shape[-1])
            parts[f"cells_{level}"] = self.entropy(outputs[f"logits_{level}"], own, targets)
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}

    @torch.no_grad()
    def decode(self, outputs: Outputs) -> Answers:
        product_BK = outputs["logits"].float().log_softmax(-1)
        for level in range(1, len(self.above) + 1):
            product_BK += outputs[f"logits_{level}"].float().log_softmax(-1)[:, self._parent(level)]
        return self.answers(product_BK.softmax(-1))

    def _parent(self, level: int) -> Tensor:
        return self.get_buffer(f"parent_{level}")

    @staticmethod
    def _coarse(labels: Tensor, parent_K: Tensor, cells: int) -> Tensor:
        if labels.ndim == 1:
            return parent_K[labels]
        return labels.new_zeros(len(labels), cells).index_add_(1, parent_K, labels)


def _parents(fitted: Fitted, levels: int, branching: int, seed: int) -> list[list[int]]:
    """For each level above the finest, upwards: (K,) the cell there of every finest cell.

    Cells that were made by cutting bring their levels, which cross no border that they do not cross. Else each level
    is k-means of the centres below it, so that a cell lies in one parent whole.
    """
    if fitted["levels"]:
        own: list[list[int]] = fitted["levels"][::-1]
        return own[: levels - 1]
    lat, lon = np.asarray(fitted["centres_lat"]), np.asarray(fitted["centres_lon"])
    parent_K = np.arange(len(lat))
    found: list[list[int]] = []
    for _ in range(levels - 1):
        if len(lat) // branching < FEWEST:
            break
        coarse = kmeans.build(lat, lon, len(lat) // branching, seed)
        # A region's strays are not clustered; by number, as no cell of a level may be without a child.
        used, number = np.unique(coarse.assign(lat, lon), return_inverse=True)
        parent_K = number.ravel()[parent_K]
        lat, lon = coarse.centres_lat[used], coarse.centres_lon[used]
        found.append(parent_K.tolist())
    return found
