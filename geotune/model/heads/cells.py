"""The cells head: which cell of a partition of the Earth, with labels that fade with distance."""

from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from geotune.config import Settings
from geotune.geo.cells import kmeans
from geotune.geo.cells.partition import Partition
from geotune.geo.sphere import distance_km, unit_vectors
from geotune.model.geography import Geography
from geotune.model.heads.base import Answers, Candidates, Fitted, Head, Outputs, Targets, as_float64, trunk
from geotune.model.losses import soft_labels

REACH = 4.0
"""A local mean takes the cells within so many cell radii of the likeliest one: it and its neighbours."""
NEIGHBOURS = 64
"""At most so many cells count in a local mean: many times those within reach, also where centres lie unevenly."""
RANKED = 5
"""Candidates a photo."""


class CellsSettings(Settings):
    """`model.head.*` of a head that classifies into cells."""

    name: Literal["cells"] = "cells"
    """How features become a place: by regression, by cells, or by both (hybrid)"""
    cells: int = Field(64, ge=2, le=1_000_000)
    """Number of cells (k-means of the training places); fewer where there are fewer places"""
    hidden: int = Field(0, ge=0, le=16384)
    """Width of a hidden layer; 0 is none"""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the head's inputs dropped in training"""
    smoothing: float = Field(1.0, ge=0, le=100)
    """Width of the Gaussian labels around the true place, in RMS cell radii; 0 is one hard label"""
    decode: Literal["argmax", "local_mean"] = "local_mean"
    """The centre of the likeliest cell, or the mean of the cells around it, weighted by their probability"""

    def fit(self, geography: Geography, lat_deg: ArrayLike, lon_deg: ArrayLike, seed: int) -> Fitted:
        """The cells of the training places."""
        return fit_cells(self.cells, lat_deg, lon_deg, seed)

    def build(self, width: int, geography: Geography, fitted: Fitted) -> "CellsHead":
        """The module for features of that width."""
        return CellsHead(self, width, geography, fitted)


class HasCells(Protocol):
    """Settings of a head that stands on cells."""

    @property
    def hidden(self) -> int: ...
    @property
    def dropout(self) -> float: ...
    @property
    def smoothing(self) -> float: ...


def fit_cells(cells: int, lat_deg: ArrayLike, lon_deg: ArrayLike, seed: int) -> Fitted:
    """K-means cells of training photos (N,) in degrees, as plain data."""
    partition = kmeans.build(lat_deg, lon_deg, cells, seed)
    return {
        "kind": partition.kind,
        "centres_lat": partition.centres_lat.tolist(),
        "centres_lon": partition.centres_lon.tolist(),
        "radius_km": partition.radius_km,
    }


class CellsHead(Head):
    """Outputs `logits` (B, K), one a cell."""

    centres: Tensor

    def __init__(self, settings: HasCells, width: int, geography: Geography, fitted: Fitted) -> None:
        super().__init__(width, geography)
        self.settings: Any = settings
        self.partition = Partition(
            str(fitted["kind"]),
            np.asarray(fitted["centres_lat"], float),
            np.asarray(fitted["centres_lon"], float),
            float(fitted["radius_km"]),
        )
        self.trunk, self.inner = trunk(width, settings.hidden, settings.dropout)
        self.logits = nn.Linear(self.inner, len(self.partition))
        self._centres64_KP = geography.coordinates(self.partition.centres_lat, self.partition.centres_lon)
        # Not persistent: the centres are part of the plain data that a model is rebuilt from, in float64.
        self.register_buffer("centres", torch.from_numpy(self._centres64_KP.astype(np.float32)), persistent=False)
        self.cell_radius = _unit_km(self.partition) / geography.km_per_unit
        """The unit of labels and offsets, in coordinates."""

    def targets(self, lat_deg: ArrayLike, lon_deg: ArrayLike) -> Targets:
        cell_N = torch.from_numpy(self.partition.assign(lat_deg, lon_deg))
        return {**super().targets(lat_deg, lon_deg), "cell": cell_N}

    def outputs(self, features_BD: Tensor) -> Outputs:
        return {"logits": self.logits(self.trunk(features_BD))}

    def losses(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        loss = cross_entropy(outputs["logits"].float(), self.labels(targets))
        return {"loss": loss, "cells": loss}

    @torch.no_grad()
    def labels(self, targets: Targets) -> Tensor:
        """What `cross_entropy` takes: hard labels (B,) or, smoothed, probabilities (B, K)."""
        if not self.settings.smoothing:
            return targets["cell"]
        # Not by matrix products: they lose all digits between neighbouring cells of a sphere.
        squared_BK = torch.cdist(
            targets["position"], self.centres, compute_mode="donot_use_mm_for_euclid_dist"
        ).square()
        return soft_labels(squared_BK, self.settings.smoothing * self.cell_radius)

    @torch.no_grad()
    def decode(self, outputs: Outputs) -> Answers:
        probability_BK = outputs["logits"].float().softmax(-1)
        if self.settings.decode == "argmax":
            best_B = probability_BK.argmax(-1).cpu().numpy()
            lat, lon = self.partition.centres_lat[best_B], self.partition.centres_lon[best_B]
            return Answers(lat, lon, as_float64(probability_BK.amax(-1)), self.ranked(probability_BK))
        return self.local_mean(probability_BK)

    def local_mean(self, probability_BK: Tensor, offset_BKP: Tensor | None = None) -> Answers:
        """The weighted mean of the likeliest cell and those within reach; each may be shifted by an offset in radii."""
        top = probability_BK.topk(min(NEIGHBOURS, len(self.partition)), dim=-1)
        centre_BmP = self._centres64_KP[top.indices.cpu().numpy()]
        near_Bm = np.linalg.norm(centre_BmP - centre_BmP[:, :1], axis=-1) <= REACH * self.cell_radius
        weight_Bm = as_float64(top.values) * near_Bm
        mass_B = weight_Bm.sum(-1)
        if offset_BKP is not None:
            index_BmP = top.indices[..., None].expand(-1, -1, self.geography.axes)
            centre_BmP = centre_BmP + as_float64(offset_BKP.gather(1, index_BmP)) * self.cell_radius
        position_BP = np.einsum("bm,bmp->bp", weight_Bm, centre_BmP) / mass_B[:, None]
        return Answers(*self.geography.lat_lon(position_BP), mass_B, self.ranked(probability_BK))

    def ranked(self, probability_BK: Tensor) -> Candidates:
        """The likeliest cells' centres."""
        top = probability_BK.topk(min(RANKED, len(self.partition)), dim=-1)
        cell_Bk = top.indices.cpu().numpy()
        lat, lon = self.partition.centres_lat[cell_Bk], self.partition.centres_lon[cell_Bk]
        return Candidates(lat, lon, as_float64(top.values))


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
