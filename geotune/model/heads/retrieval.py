"""The retrieval head: the training photos that look most alike, and the middle of where they were taken."""

import math
from collections.abc import Iterable
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import normalize

from geotune.config import Settings
from geotune.geo.sphere import Floats
from geotune.model.dropout import Dropout
from geotune.model.geography import Geography
from geotune.model.heads.base import Answers, Candidates, Fitted, Head, Outputs, Targets, as_float64
from geotune.model.losses import soft_labels

RANKED = 5
"""Candidates a photo."""
COMPARED = 1024
"""Photos compared with the kept ones at once: bounds the memory."""
SHARPNESS = 10.0
"""Factor on similarities before training; it is learnt."""
MEDIAN_ROUNDS = 50


class RetrievalSettings(Settings):
    """`model.head.*` of a head that looks for similar training photos, whose features are part of the model."""

    name: Literal["retrieval"] = "retrieval"
    """How features become a place"""
    neighbours: int = Field(10, ge=1, le=1000)
    """Similar photos that answer together: the geometric median of their places, weighted by similarity"""
    kept: int = Field(20_000, ge=1, le=10_000_000)
    """Training photos that the model keeps at most, drawn by the seed"""
    hidden: int = Field(0, ge=0, le=16384)
    """Width of a trained projection in which photos are compared; 0 compares the backbone's features as they are"""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the head's inputs dropped in training"""
    reach: float = Field(0.1, gt=0, le=10)
    """Distance at which two photos count as near, in RMS radii of the training places"""

    def fit(self, geography: Geography, lat_deg: ArrayLike, lon_deg: ArrayLike, seed: int) -> Fitted:
        """Which training photos are kept, and their places."""
        lat, lon = np.asarray(lat_deg, float), np.asarray(lon_deg, float)
        rows = np.random.default_rng(seed).permutation(len(lat))[: self.kept]
        rows.sort()
        return {"rows": rows.tolist(), "lat": lat[rows].tolist(), "lon": lon[rows].tolist()}

    def build(self, width: int, geography: Geography, fitted: Fitted) -> "RetrievalHead":
        """The module for features of that width."""
        return RetrievalHead(self, width, geography, fitted)


class RetrievalHead(Head):
    """Outputs `embedding` (B, E) of length 1; `memory` (N, E) are those of the photos kept, in half precision.

    Training makes photos alike that were taken near each other: within a batch, the likeness to every other photo is
    a probability, whose target fades with distance (a soft neighbourhood component analysis, Goldberger et al. 2004).
    It needs batches of several photos; with one alone the loss is 0.
    """

    compares = True
    memory: Tensor

    def __init__(self, settings: RetrievalSettings, width: int, geography: Geography, fitted: Fitted) -> None:
        super().__init__(width, geography)
        self.settings = settings
        self._rows = np.asarray(fitted["rows"], np.int64)
        self._position64_NP = geography.coordinates(fitted["lat"], fitted["lon"])
        self.dropout = Dropout(settings.dropout)
        self.projection = nn.Linear(width, settings.hidden, bias=False) if settings.hidden else nn.Identity()
        self.log_sharpness = nn.Parameter(torch.tensor(math.log(SHARPNESS)))
        self.register_buffer("memory", torch.zeros(len(self._rows), settings.hidden or width, dtype=torch.float16))

    @property
    def remembers(self) -> NDArray[np.int64]:
        return self._rows

    @torch.no_grad()
    def remember(self, features: Iterable[Tensor]) -> None:
        embedding_NE = torch.cat([self(batch)["embedding"] for batch in features])
        self.memory.copy_(embedding_NE)

    def outputs(self, features_BD: Tensor) -> Outputs:
        return {"embedding": normalize(self.projection(self.dropout(features_BD)), dim=-1, eps=1e-6)}

    def losses(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        embedding_BE, position_BP = outputs["embedding"].float(), targets["position"]
        photos = len(embedding_BE)
        others = ~torch.eye(photos, dtype=torch.bool, device=embedding_BE.device)
        likeness_BB = self.log_sharpness.exp() * (embedding_BE @ embedding_BE.T)
        # Without the diagonal: a photo is no neighbour of its own.
        log_likeness = likeness_BB[others].view(photos, photos - 1).log_softmax(-1)
        with torch.no_grad():
            distance_BB = torch.cdist(position_BP, position_BP, compute_mode="donot_use_mm_for_euclid_dist")
            squared = distance_BB[others].view(photos, photos - 1).square()
            labels = soft_labels(squared, self.settings.reach * self.geography.radius)
        loss = -(labels * log_likeness).sum(-1).mean()
        return {"loss": loss, "likeness": loss}

    @torch.no_grad()
    def decode(self, outputs: Outputs) -> Answers:
        parts = [self._nearest(part) for part in torch.split(outputs["embedding"].float(), COMPARED)]
        return Answers.concat(parts)

    def _nearest(self, embedding_BE: Tensor) -> Answers:
        likeness_BN = self.log_sharpness.exp() * (embedding_BE @ self.memory.float().T)
        top = likeness_BN.topk(min(self.settings.neighbours, len(self._rows)), dim=-1)
        weight_Bk = as_float64(top.values.softmax(-1))
        position_BkP = self._position64_NP[top.indices.cpu().numpy()]
        answer_BP = weighted_median(position_BkP, weight_Bk, self.geography.radius)
        distance_Bk = np.linalg.norm(position_BkP - answer_BP[:, None], axis=-1)
        sure_B = (weight_Bk * (distance_Bk <= self.settings.reach * self.geography.radius)).sum(-1)
        ranked = Candidates(*self.geography.lat_lon(position_BkP[:, :RANKED]), weight_Bk[:, :RANKED])
        return Answers(*self.geography.lat_lon(answer_BP), sure_B, ranked)


def weighted_median(position_BkP: Floats, weight_Bk: Floats, unit: float) -> Floats:
    """(B, P): the points with the least weighted sum of straight-line distances to their k points, by Weiszfeld.

    In three axes on the sphere, as `sphere.geometric_median`: of neighbours all over the world the median in space lies
    deep in the Earth. `unit` is the scale of coordinates: a millionth of it keeps weights finite where the median
    stands on a point.
    """
    pull_Bk = weight_Bk
    for _ in range(MEDIAN_ROUNDS):
        median_BP = np.einsum("bk,bkp->bp", pull_Bk, position_BkP)
        if median_BP.shape[-1] == 3:  # places that cancel each other out have no direction, and keep the origin
            median_BP /= np.maximum(np.linalg.norm(median_BP, axis=-1, keepdims=True), 1e-12)
        else:
            median_BP /= pull_Bk.sum(-1, keepdims=True)
        distance_Bk = np.linalg.norm(position_BkP - median_BP[:, None], axis=-1)
        pull_Bk = weight_Bk / np.hypot(distance_Bk, 1e-6 * unit)
    return np.asarray(median_BP)
