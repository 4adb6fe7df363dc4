"""Cells that cross no country's border: each country is cut in two again and again, where it has most to gain.

Best-first bisection: one cell a country to begin with; the next cut goes to the cell with the largest
photos · (RMS radius in km + 1)^½, across its principal axis, at the widest gap between the 35 % and 65 % quantiles.
"""

import heapq
import logging
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geotune.errors import GeotuneError
from geotune.geo.cells.cuts import Cuts
from geotune.geo.cells.hierarchy import levels_of
from geotune.geo.cells.partition import OUTSIDE, Partition
from geotune.geo.countries import country_codes
from geotune.geo.sphere import EARTH_RADIUS_KM, Floats, unit_vectors

log = logging.getLogger(__name__)

KIND = "borders"

_MIDDLE = (0.35, 0.65)
_SAME_SPOT = 1e-9  # of a unit vector: 6 mm


@dataclass(order=True)
class _Piece:
    """A piece of a country; ordered by what comes first: the most to gain, then by country and path."""

    gain: float
    """Negative, for the smallest stands first in a heap."""
    country: int
    path: str
    """The cuts that it came out of: 0 below, 1 above."""
    rows: NDArray[np.int64] = field(compare=False)
    axis: Floats = field(compare=False)
    cut_in: list[int] = field(compare=False)


def build(lat_deg: ArrayLike, lon_deg: ArrayLike, cells: int, seed: int = 0, minimum: int = 1) -> Partition:
    """Photos (N,) in degrees -> a Partition of exactly `cells` cells, none across a border; the same on every run.

    No cut leaves fewer than `minimum` photos on a side: where no other cut is left there are fewer cells, with a
    warning in the log. A country with fewer photos than that still has its cell; one without a photo has none, and
    its points lie outside, as do those at sea. The seed changes nothing. Raises GeotuneError where no photo lies in a
    country, or there are more countries than cells.
    """
    code_N = country_codes(lat_deg, lon_deg)
    codes, country_N = np.unique(code_N, return_inverse=True)
    row_n = np.flatnonzero(code_N != "")
    codes, country_n = codes[codes != ""], country_N[row_n] - int(len(row_n) < len(code_N))
    if not len(codes):
        raise GeotuneError(f"none of the {len(code_N):,} photos lies in a country", "take cells of kind kmeans")
    if len(codes) > cells:
        raise GeotuneError(
            f"{cells:,} cells for photos in {len(codes):,} countries, and no cell may cross a border",
            f"take at least {len(codes):,} cells, or those of kind kmeans",
        )
    xyz_n3 = unit_vectors(np.asarray(lat_deg, float)[row_n], np.asarray(lon_deg, float)[row_n])
    order = np.argsort(country_n, kind="stable")
    ends = np.searchsorted(country_n[order], np.arange(len(codes) + 1))
    heap = [_piece(xyz_n3, order[ends[c] : ends[c + 1]], c, "", []) for c in range(len(codes))]
    heapq.heapify(heap)
    normals: list[Floats] = []
    thresholds: list[float] = []
    children: list[list[int]] = []
    roots = np.empty(len(codes), np.int64)
    done: list[_Piece] = []
    while heap and len(heap) + len(done) < cells:
        piece = heapq.heappop(heap)
        cut = _cut(xyz_n3[piece.rows] @ piece.axis, max(1, minimum))
        if cut is None:
            done.append(piece)
            continue
        threshold, is_above = cut
        number = len(normals)
        _link(roots, children, piece, number)
        normals.append(piece.axis)
        thresholds.append(threshold)
        children.append([OUTSIDE, OUTSIDE])  # until they are linked
        for side, rows in (("0", piece.rows[~is_above]), ("1", piece.rows[is_above])):
            heapq.heappush(heap, _piece(xyz_n3, rows, piece.country, piece.path + side, [*piece.cut_in, number]))
    pieces = sorted([*heap, *done], key=lambda piece: (piece.country, piece.path))
    cell_N = np.full(len(code_N), OUTSIDE)
    for cell, piece in enumerate(pieces):
        _link(roots, children, piece, -1 - cell)
        cell_N[row_n[piece.rows]] = cell
    _tell(len(pieces), cells, minimum, pieces, int((cell_N == OUTSIDE).sum()))
    rule = Cuts(
        codes.tolist(), roots, np.array(normals).reshape(-1, 3), np.array(thresholds),
        np.array(children, np.int64).reshape(-1, 2),
    )  # fmt: skip
    levels = levels_of([piece.cut_in for piece in pieces], range(len(codes), len(pieces) + 1))
    countries = tuple(str(codes[piece.country]) for piece in pieces)
    return Partition.of_photos(KIND, lat_deg, lon_deg, cell_N, rule, levels=levels, countries=countries)


def _piece(xyz_n3: Floats, rows: NDArray[np.int64], country: int, path: str, cut_in: list[int]) -> _Piece:
    offset_r3 = xyz_n3[rows]
    offset_r3 = offset_r3 - offset_r3.mean(axis=0)  # before it is squared: the digits of a town
    spread_3, axes_33 = np.linalg.eigh(offset_r3.T @ offset_r3 / len(rows))
    axis = axes_33[:, -1]
    axis = axis if axis[np.argmax(np.abs(axis))] > 0 else -axis  # an eigenvector's sign is nobody's choice
    radius_km = EARTH_RADIUS_KM * float(np.sqrt(np.maximum(spread_3, 0).sum()))
    return _Piece(-len(rows) * float(np.sqrt(radius_km + 1)), country, path, rows, axis, cut_in)


def _cut(along_r: Floats, minimum: int) -> tuple[float, NDArray[np.bool_]] | None:
    """Photos along an axis -> a threshold and which of them lie above it; None where no cut is allowed."""
    photos = len(along_r)
    if photos < 2 * minimum:
        return None
    ascending = np.sort(along_r)
    gaps = np.diff(ascending)  # gap i has i + 1 photos below it
    low, high = (int(share * photos) for share in _MIDDLE)
    for first, last in ((max(low, minimum), min(high, photos - minimum)), (minimum, photos - minimum)):
        if first <= last:
            at = first - 1 + int(np.argmax(gaps[first - 1 : last]))
            if gaps[at] > _SAME_SPOT:
                threshold = float((ascending[at] + ascending[at + 1]) / 2)
                return threshold, along_r > threshold
    return None


def _link(roots: NDArray[np.int64], children: list[list[int]], piece: _Piece, node: int) -> None:
    """Let the piece's place in its country's tree lead to a cut or a cell."""
    if piece.cut_in:
        children[piece.cut_in[-1]][int(piece.path[-1])] = node
    else:
        roots[piece.country] = node


def _tell(made: int, asked: int, minimum: int, pieces: list[_Piece], outside: int) -> None:
    if made < asked:
        log.warning("%d cells instead of %d: no more cuts leave %d photos on either side", made, asked, minimum)
    small = sum(len(piece.rows) < minimum for piece in pieces)
    if small:
        log.warning("%d countries have fewer than %d photos: each keeps a cell of its own", small, minimum)
    if outside:
        log.warning("%d photos lie in no country: they are outside all cells", outside)
