"""The multitask head: which cell, which country, and where from the cell's centre, learnt side by side."""

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from geotune.geo.cells.partition import OUTSIDE, Partition
from geotune.geo.countries import country_codes
from geotune.model.geography import Geography
from geotune.model.heads.base import Answers, Fitted, Outputs, Targets, as_float64
from geotune.model.heads.cells import CellsHead, OnCells
from geotune.model.losses import geodesic

UNKNOWN = -1
"""The country of a photo whose country no training photo has: its loss is 0."""


class MultitaskSettings(OnCells):
    """`model.head.*` of a head with three answers, as GeoLocator v1.4 had; the weights' defaults are its own."""

    name: Literal["multitask"] = "multitask"
    """How features become a place"""
    cells_weight: float = Field(1.0, ge=0)
    """Weight of the cells' cross-entropy in the loss"""
    country_weight: float = Field(1.0, ge=0)
    """Weight of the countries' cross-entropy in the loss; without effect where all photos are in one country"""
    offset_weight: float = Field(10.0, ge=0)
    """Weight of the offset's geodesic error, in RMS cell radii, in the loss"""

    def fit(self, geography: Geography, lat_deg: ArrayLike, lon_deg: ArrayLike, seed: int) -> Fitted:
        """The cells, the training photos' countries ("" is one: at sea), and each cell's country: most of its photos'.

        Of a cell without a photo it is that of its centre; no other cell's: a coast's centre may lie across the water.
        """
        fitted = super().fit(geography, lat_deg, lon_deg, seed)
        countries, country_N = np.unique(country_codes(lat_deg, lon_deg), return_inverse=True)
        cell_country = _numbers(country_codes(fitted["centres_lat"], fitted["centres_lon"]), countries)
        cell_N = Partition.from_plain(fitted).assign(lat_deg, lon_deg)
        inside = cell_N != OUTSIDE
        pair_p2, photos_p = np.unique(np.stack([cell_N, country_N], 1)[inside], axis=0, return_counts=True)
        order = np.argsort(photos_p, kind="stable")  # the most photos are written last
        cell_country[pair_p2[order, 0]] = pair_p2[order, 1]
        return fitted | {"countries": countries.tolist(), "cell_country": cell_country.tolist()}

    def build(self, width: int, geography: Geography, fitted: Fitted) -> "MultitaskHead":
        """The module for features of that width."""
        return MultitaskHead(self, width, geography, fitted)


class MultitaskHead(CellsHead):
    """Outputs `logits` (B, K), `offset` (B, P) in radii from the photo's cell, and `countries` (B, C) where C > 1.

    A cell's probability is multiplied with its country's; the answer is the likeliest cell's centre, moved by the
    offset.
    """

    cell_country: Tensor

    def __init__(self, settings: MultitaskSettings, width: int, geography: Geography, fitted: Fitted) -> None:
        super().__init__(settings, width, geography, fitted)
        self.country_codes: Any = np.asarray(fitted["countries"], str)
        self.countries = nn.Linear(self.inner, len(self.country_codes)) if len(self.country_codes) > 1 else None
        self.register_buffer("cell_country", torch.tensor(fitted["cell_country"]), persistent=False)
        self.offset = nn.Linear(self.inner, geography.axes)
        nn.init.zeros_(self.offset.weight)  # training starts from the cells' centres
        nn.init.zeros_(self.offset.bias)

    def targets(self, lat_deg: ArrayLike, lon_deg: ArrayLike) -> Targets:
        targets = super().targets(lat_deg, lon_deg)
        if self.countries is None:
            return targets
        return targets | {"country": torch.from_numpy(_numbers(country_codes(lat_deg, lon_deg), self.country_codes))}

    def outputs(self, features_BD: Tensor) -> Outputs:
        inner_BH = self.trunk(features_BD)
        outputs = {"logits": self.logits(inner_BH), "offset": self.offset(inner_BH)}
        return outputs if self.countries is None else outputs | {"countries": self.countries(inner_BH)}

    def losses(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        settings = self.settings
        parts = {"cells": self.entropy(outputs["logits"], self.labels(targets), targets)}
        centre_BP = self.centres[targets["cell"].clamp(min=0)]
        point_BP = centre_BP + outputs["offset"].float() * self.cell_radius
        distance_B = geodesic(point_BP, targets["position"]) / self.cell_radius
        parts["offset"] = (distance_B * (targets["cell"] >= 0)).mean()
        loss = settings.cells_weight * parts["cells"] + settings.offset_weight * parts["offset"]
        if self.countries is not None:
            entropy_B = cross_entropy(
                outputs["countries"].float(), targets["country"], ignore_index=UNKNOWN, reduction="none"
            )
            parts["country"] = entropy_B.mean()
            loss = loss + settings.country_weight * parts["country"]
        return {"loss": loss, **parts}

    @torch.no_grad()
    def decode(self, outputs: Outputs) -> Answers:
        product_BK = outputs["logits"].float().log_softmax(-1)
        if self.countries is not None:
            country_BC = outputs["countries"].float().log_softmax(-1)
            # A cell without a photo, in no training photo's country, takes part with the least likely one's share.
            least_B1 = country_BC.amin(-1, keepdim=True)
            product_BK = product_BK + torch.cat([country_BC, least_B1], dim=-1)[:, self.cell_country]
        probability_BK = product_BK.softmax(-1)
        ranked = self.ranked(probability_BK)
        best_B = probability_BK.argmax(-1).cpu().numpy()
        position_BP = self._centres64_KP[best_B] + as_float64(outputs["offset"]) * self.cell_radius
        return Answers(*self.geography.lat_lon(position_BP), as_float64(probability_BK.amax(-1)), ranked)


def _numbers(codes: Any, known: Any) -> Any:
    """(N,) codes -> (N,) int64 places in the sorted `known`; UNKNOWN, which is also its end, for any other."""
    place = np.searchsorted(known, codes).clip(max=len(known) - 1)
    return np.where(known[place] == codes, place, UNKNOWN).astype(np.int64)
