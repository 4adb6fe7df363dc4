"""A rule: each cell is a box between two parallels and two meridians."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from geotune.geo.cells.partition import OUTSIDE
from geotune.geo.sphere import Floats, wrap_longitude

_TOUCH_DEGREES = 1e-9  # files round their edges: neighbours may overlap by so much


@dataclass(frozen=True, eq=False)
class Boxes:
    """K boxes. A point on an edge belongs to the box north or east of it, where there is one.

    Raises ValueError for boxes that are empty or upside down, reach beyond the Earth, or overlap.
    """

    edges: Floats
    """(K, 4) degrees: south, west, north, east."""

    def __post_init__(self) -> None:
        south, west, north, east = self.edges.T
        right = (south >= -90) & (south < north) & (north <= 90) & (west >= -180) & (west < east) & (east <= 180)
        if not right.all():
            first = int(np.argmin(right))
            told = ", ".join(f"{degrees:g}" for degrees in self.edges[first])
            raise ValueError(
                f"cell {first} has the edges {told} (south, west, north, east): "
                "boxes need -90 <= south < north <= 90 and -180 <= west < east <= 180"
            )
        one, other = self._tree.query(self._tree.geometries)
        one, other = one[one < other], other[one < other]
        shared = np.minimum(self.edges[one, 2:], self.edges[other, 2:]) - np.maximum(
            self.edges[one, :2], self.edges[other, :2]
        )
        both = np.flatnonzero((shared > _TOUCH_DEGREES).all(axis=1))
        if both.size:
            raise ValueError(f"cells {one[both[0]]} and {other[both[0]]} overlap ({both.size} pairs do)")

    def assign(self, lat_deg: Floats, lon_deg: Floats) -> NDArray[np.int64]:
        """(N,) degrees -> (N,) boxes, or -1."""
        import shapely

        lon_deg = wrap_longitude(lon_deg)
        cell_N = np.full(len(lat_deg), OUTSIDE)
        known = np.flatnonzero(np.isfinite(lat_deg) & np.isfinite(lon_deg))
        # Longitude 180 is -180: a point there stands at both ends of the map.
        west_end = known[lon_deg[known] == -180]
        row = np.concatenate([known, west_end])
        lon_row = np.concatenate([lon_deg[known], np.full(west_end.size, 180.0)])
        found, box = self._tree.query(shapely.points(lon_row, lat_deg[row]))
        point = row[found]
        # Of the boxes on a point's edges the one that begins there is taken: it is written last.
        begins = (lat_deg[point] < self.edges[box, 2]).astype(int) + (lon_row[found] < self.edges[box, 3])
        order = np.lexsort((-box, begins))
        cell_N[point[order]] = box[order]
        return cell_N

    @cached_property
    def _tree(self) -> Any:
        import shapely

        south, west, north, east = self.edges.T
        return shapely.STRtree(shapely.box(west, south, east, north))

    def plain(self) -> dict[str, Any]:
        return {"rule": "boxes", "edges": self.edges.tolist()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        return cls(np.asarray(plain["edges"], float).reshape(-1, 4))
