"""A rule: each country is a tree of straight cuts, whose ends are the cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from geotune.geo.cells.partition import OUTSIDE
from geotune.geo.countries import country_codes
from geotune.geo.sphere import Floats, unit_vectors


@dataclass(frozen=True, eq=False)
class Cuts:
    """C countries and M cuts; a child, or a country's root, is a cut's number, or −1 − k for cell k.

    A point takes its country's root and walks down: above a cut where normal · its unit vector exceeds the threshold.
    A point of no country, or of one that has no cells, lies outside.
    """

    codes: Sequence[str]
    """(C,) ascending."""
    roots: NDArray[np.int64]
    """(C,)"""
    normals: Floats
    """(M, 3)"""
    thresholds: Floats
    """(M,)"""
    children: NDArray[np.int64]
    """(M, 2): below and above."""

    def assign(self, lat_deg: Floats, lon_deg: Floats) -> NDArray[np.int64]:
        """(N,) degrees -> (N,) cells, or -1."""
        codes, code_N = np.asarray(self.codes), country_codes(lat_deg, lon_deg)
        country_N = np.minimum(np.searchsorted(codes, code_N), len(codes) - 1)
        known_n = np.flatnonzero(codes[country_N] == code_N)
        cell_N = np.full(len(code_N), OUTSIDE)
        cell_N[known_n] = self.within(country_N[known_n], unit_vectors(lat_deg[known_n], lon_deg[known_n]))
        return cell_N

    def within(self, country_N: NDArray[np.int64], xyz_N3: Floats) -> NDArray[np.int64]:
        """Unit vectors and the numbers of their countries -> cells."""
        node_N = self.roots[country_N]
        while (walking := np.flatnonzero(node_N >= 0)).size:
            cut = node_N[walking]
            above = np.einsum("ni,ni->n", self.normals[cut], xyz_N3[walking]) > self.thresholds[cut]
            node_N[walking] = self.children[cut, above.astype(np.int64)]
        return -1 - node_N

    def plain(self) -> dict[str, Any]:
        return {
            "rule": "cuts",
            "codes": list(self.codes),
            "roots": self.roots.tolist(),
            "normals": self.normals.tolist(),
            "thresholds": self.thresholds.tolist(),
            "children": self.children.tolist(),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        return cls(
            [str(code) for code in plain["codes"]],
            np.asarray(plain["roots"], np.int64),
            np.asarray(plain["normals"], float).reshape(-1, 3),
            np.asarray(plain["thresholds"], float),
            np.asarray(plain["children"], np.int64).reshape(-1, 2),
        )
