"""The cells head: which cell of a partition of the Earth, with labels that fade with distance."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from pydantic import Field
from torch import Tensor, nn

from geotune.config import Settings
from geotune.geo.cells.files import read_cells
from geotune.geo.cells.kinds import Kind, build
from geotune.geo.cells.partition import OUTSIDE, Partition
from geotune.geo.sphere import distance_km, unit_vectors
from geotune.model.geography import Geography
from geotune.model.heads.base import Answers, Candidates, Fitted, Head, Outputs, Targets, as_float64, trunk
from geotune.model.losses import haversine_labels, label_entropy, soft_labels

log = logging.getLogger(__name__)

REACH = 4.0
"""A local mean takes the cells within so many cell radii of the likeliest one: it and its neighbours."""
NEIGHBOURS = 64
"""At most so many cells count in a local mean: many times those within reach, also where centres lie unevenly."""
RANKED = 5
"""Candidates a photo."""
LABELLED = 128
"""Photos whose label probabilities are computed at once: bounds the memory beside the labels themselves."""


class OnCells(Settings):
    """`model.head.*` of every head that stands on cells: which ones, and what a photo's label is."""

    name: str = ""
    """How features become a place"""
    kind: Kind = "kmeans"
    """Which cells (geotune data cells shows them); borders: none crosses a country's border"""
    cells: int = Field(64, ge=2, le=1_000_000)
    """Number of cells; fewer where there are fewer places"""
    cells_file: str = ""
    """Take these cells instead: a file that geotune data cells --save wrote, or a CSV of S2 or quadtree cells"""
    hidden: int = Field(0, ge=0, le=16384)
    """Width of a hidden layer; 0 is none"""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the head's inputs dropped in training"""
    smoothing: float = Field(1.0, ge=0, le=100)
    """Width of the Gaussian labels around the true place, in RMS cell radii; 0 is one hard label"""
    tau_km: float = Field(0.0, ge=0)
    """Labels that fall with exp(-distance / τ) instead of the Gaussian of model.head.smoothing; 0 is off"""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """Share of each label that is spread over all cells alike"""
    balance: float = Field(0.0, ge=0, le=1)
    """Power of class balance: a photo weighs as its cell's photo count to minus this; 1 weighs all cells alike"""

    def fit(self, geography: Geography, lat_deg: ArrayLike, lon_deg: ArrayLike, seed: int) -> Fitted:
        """The cells of the training places, and how many photos each has."""
        if self.cells_file:
            partition = read_cells(Path(self.cells_file), lat_deg, lon_deg)
        else:
            partition = build(self.kind, lat_deg, lon_deg, self.cells, seed)
        if len(partition) == 1:
            log.warning("a single cell: there is nothing to choose between, and the answer is always near its centre")
        cell_N = partition.assign(lat_deg, lon_deg)
        photos_K = np.bincount(cell_N[cell_N != OUTSIDE], minlength=len(partition))
        return {**partition.plain(), "photos": photos_K.tolist()}


class CellsSettings(OnCells):
    """`model.head.*` of a head that classifies into cells."""

    name: Literal["cells"] = "cells"
    """How features become a place"""
    decode: Literal["argmax", "local_mean"] = "local_mean"
    """The centre of the likeliest cell, or the mean of the cells around it, weighted by their probability"""

    def build(self, width: int, geography: Geography, fitted: Fitted) -> "CellsHead":
        """The module for features of that width."""
        return CellsHead(self, width, geography, fitted)


class CellsHead(Head):
    """Outputs `logits` (B, K), one a cell."""

    centres: Tensor
    weights: Tensor

    def __init__(self, settings: OnCells, width: int, geography: Geography, fitted: Fitted) -> None:
        super().__init__(width, geography)
        self.settings: Any = settings
        self.partition = Partition.from_plain(fitted)
        self.trunk, self.inner = trunk(width, settings.hidden, settings.dropout)
        self.logits = nn.Linear(self.inner, len(self.partition))
        self._centres64_KP = geography.coordinates(self.partition.centres_lat, self.partition.centres_lon)
        # Not persistent: the centres are part of the plain data that a model is rebuilt from, in float64.
        self.register_buffer("centres", torch.from_numpy(self._centres64_KP.astype(np.float32)), persistent=False)
        self.register_buffer("weights", _balanced(fitted, len(self.partition), settings.balance), persistent=False)
        self.cell_radius = _unit_km(self.partition) / geography.km_per_unit
        """The unit of labels and offsets, in coordinates."""

    def targets(self, lat_deg: ArrayLike, lon_deg: ArrayLike) -> Targets:
        cell_N = torch.from_numpy(self.partition.assign(lat_deg, lon_deg))
        return {**super().targets(lat_deg, lon_deg), "cell": cell_N}

    def outputs(self, features_BD: Tensor) -> Outputs:
        return {"logits": self.logits(self.trunk(features_BD))}

    def losses(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        loss = self.entropy(outputs["logits"], self.labels(targets), targets)
        return {"loss": loss, "cells": loss}

    def entropy(self, logits_BK: Tensor, labels: Tensor, targets: Targets) -> Tensor:
        """The weighted mean cross-entropy with `labels`; photos outside all cells (cell -1) count as 0.

        Over all photos, not over those inside: else the gradient would depend on how a batch falls into micro-batches.
        """
        entropy_B = label_entropy(logits_BK.float(), labels, self.settings.label_smoothing)
        weight_B = self.weights[targets["cell"].clamp(min=0)] * (targets["cell"] >= 0)
        return (weight_B * entropy_B).mean()

    @torch.no_grad()
    def labels(self, targets: Targets) -> Tensor:
        """Hard labels (B,) or, smoothed, probabilities (B, K)."""
        settings = self.settings
        if not (settings.smoothing or settings.tau_km):
            return targets["cell"].clamp(min=0)
        position_BP = targets["position"]
        labels_BK = position_BP.new_empty(len(position_BP), len(self.partition))
        for start in range(0, len(position_BP), LABELLED):
            part = slice(start, start + LABELLED)
            # Not by matrix products: they lose all digits between neighbouring cells of a sphere.
            distance_bK = torch.cdist(position_BP[part], self.centres, compute_mode="donot_use_mm_for_euclid_dist")
            if settings.tau_km:
                arc_bK = distance_bK if self.geography.axes == 2 else 2 * torch.asin((distance_bK / 2).clamp(max=1))
                labels_BK[part] = haversine_labels(arc_bK, settings.tau_km / self.geography.km_per_unit)
            else:
                labels_BK[part] = soft_labels(distance_bK.square(), settings.smoothing * self.cell_radius)
        return labels_BK

    @torch.no_grad()
    def decode(self, outputs: Outputs) -> Answers:
        return self.answers(outputs["logits"].float().softmax(-1))

    def answers(self, probability_BK: Tensor) -> Answers:
        """Places by the cells' probabilities, read as `model.head.decode` says."""
        if self.settings.decode == "argmax":
            best_B = probability_BK.argmax(-1).cpu().numpy()
            lat, lon = self.partition.centres_lat[best_B], self.partition.centres_lon[best_B]
            return Answers(lat, lon, as_float64(probability_BK.amax(-1)), self.ranked(probability_BK))
        return self.local_mean(probability_BK)

    def local_mean(self, probability_BK: Tensor, offsets: Callable[[Tensor], Tensor] | None = None) -> Answers:
        """The weighted mean of the likeliest cell and those within reach.

        Each may be shifted: `offsets` gives for cells (B, m) offsets (B, m, P) in radii.
        """
        top = probability_BK.topk(min(NEIGHBOURS, len(self.partition)), dim=-1)
        centre_BmP = self._centres64_KP[top.indices.cpu().numpy()]
        near_Bm = np.linalg.norm(centre_BmP - centre_BmP[:, :1], axis=-1) <= REACH * self.cell_radius
        weight_Bm = as_float64(top.values) * near_Bm
        mass_B = weight_Bm.sum(-1)
        if offsets is not None:
            centre_BmP = centre_BmP + as_float64(offsets(top.indices)) * self.cell_radius
        position_BP = np.einsum("bm,bmp->bp", weight_Bm, centre_BmP) / mass_B[:, None]
        return Answers(*self.geography.lat_lon(position_BP), mass_B, self.ranked(probability_BK))

    def ranked(self, probability_BK: Tensor) -> Candidates:
        """The likeliest cells' centres."""
        top = probability_BK.topk(min(RANKED, len(self.partition)), dim=-1)
        cell_Bk = top.indices.cpu().numpy()
        lat, lon = self.partition.centres_lat[cell_Bk], self.partition.centres_lon[cell_Bk]
        return Candidates(lat, lon, as_float64(top.values))


def _balanced(fitted: Fitted, cells: int, power: float) -> Tensor:
    """(K,) weights of photos by their cell: photos in it ** -power, 1 on the average over the training photos."""
    photos_K = np.maximum(np.asarray(fitted.get("photos", np.ones(cells)), float), 1.0)
    weight_K = photos_K**-power
    return torch.from_numpy((weight_K * photos_K.sum() / (weight_K * photos_K).sum()).astype(np.float32))


def _unit_km(partition: Partition) -> float:
    """The RMS cell radius; at least a quarter of the cells' usual spacing.

    With a cell for every place the photos lie on the centres: the radius is 0, and no label would ever be soft.
    """
    from scipy.spatial import cKDTree

    lat, lon = partition.centres_lat, partition.centres_lon
    xyz_K3 = unit_vectors(lat, lon)
    nearest = cKDTree(xyz_K3).query(xyz_K3, k=2)[1][:, 1] if len(lat) > 1 else np.zeros(1, int)
    spacing_km = float(np.median(distance_km(lat, lon, lat[nearest], lon[nearest])))
    return max(partition.radius_km, spacing_km / 4, 1e-6)
