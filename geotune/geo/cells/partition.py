"""A partition of the Earth: K cells by their centres, and the rule that says in which of them a point lies."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geotune.geo.sphere import Floats, distance_km, lat_lon, unit_vectors

OUTSIDE = -1
"""The label of a point that lies in no cell."""
LEAST_RADIUS_KM = 0.001
"""One photo a cell leaves no spread, but soft labels and offsets divide by it."""


class Rule(Protocol):
    """Which cell a point lies in, where that is not simply the nearest centre. Plain data, and never changed."""

    def assign(self, lat_deg: Floats, lon_deg: Floats) -> NDArray[np.int64]:
        """(N,) degrees, longitudes of any turn -> (N,) cells, OUTSIDE for a point of none."""

    def plain(self) -> dict[str, Any]:
        """The rule as JSON-able data, with its name under `rule`; `rules.rule_of` makes it again."""


@dataclass(frozen=True, eq=False)
class Partition:
    """K cells by their centres in degrees; label k of a photo is the index of its cell.

    Raises ValueError where the centres are none, of unequal lengths, not finite, or the radius is not above 0.
    """

    kind: str
    """The builder that made it, such as `kmeans`, or the kind of file that it was read from."""
    centres_lat: Floats
    """(K,) degrees."""
    centres_lon: Floats
    """(K,) degrees."""
    radius_km: float
    """Root mean square distance of the photos to their own cell's centre: the unit of soft labels and offsets."""
    rule: Rule | None = None
    """None: every point belongs to the cell whose centre is nearest."""
    levels: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 0), np.int64))
    """(L, K) the hierarchy, coarse to fine: row l has the group, 0 … G_l − 1, that each cell belongs to. Nested."""
    countries: tuple[str, ...] = ()
    """The country of each cell (K), two letters; () where cells know no countries."""

    def __post_init__(self) -> None:
        for name in ("centres_lat", "centres_lon"):
            centres = np.array(getattr(self, name), float)  # a copy of our own: a partition never changes
            centres.flags.writeable = False
            object.__setattr__(self, name, centres)
        lat, lon = self.centres_lat, self.centres_lon
        if lat.ndim != 1 or lat.shape != lon.shape or not len(lat):
            raise ValueError(f"centres of shapes {lat.shape} and {lon.shape}: expected (K,) twice, K above 0")
        if not (np.isfinite(lat).all() and np.isfinite(lon).all() and np.isfinite(self.radius_km)):
            raise ValueError("centres and radius must be finite")
        if self.radius_km <= 0:
            raise ValueError(f"radius_km={self.radius_km}: expected a radius above 0")
        levels = np.array(self.levels, np.int64).reshape(-1, len(lat))
        levels.flags.writeable = False
        object.__setattr__(self, "levels", levels)
        if self.countries and len(self.countries) != len(lat):
            raise ValueError(f"{len(self.countries)} countries of {len(lat)} cells")

    @classmethod
    def of_photos(
        cls, kind: str, lat_deg: ArrayLike, lon_deg: ArrayLike, cell_N: NDArray[np.int64], rule: Rule, **more: Any
    ) -> Self:
        """The cells of photos (N,) by their labels, all of 0 … K − 1 in use: centres are the photos' mean directions.

        Photos with the label OUTSIDE do not count.
        """
        inside = cell_N != OUTSIDE
        cell_n, xyz_n3 = cell_N[inside], unit_vectors(lat_deg, lon_deg).reshape(-1, 3)[inside]
        sum_K3 = np.stack([np.bincount(cell_n, weights=axis_n) for axis_n in xyz_n3.T], axis=1)
        # Where a cell's photos cancel each other out, the first of them stands for all, as in sphere.mean_point.
        none = np.linalg.norm(sum_K3, axis=1) < 1e-12
        sum_K3[none] = xyz_n3[np.unique(cell_n, return_index=True)[1][none]]
        lat_K, lon_K = lat_lon(sum_K3)
        error_n = distance_km(*lat_lon(xyz_n3), lat_K[cell_n], lon_K[cell_n])
        return cls(kind, lat_K, lon_K, max(float(np.sqrt(np.mean(error_n**2))), LEAST_RADIUS_KM), rule, **more)

    def __len__(self) -> int:
        return len(self.centres_lat)

    def assign(self, lat_deg: ArrayLike, lon_deg: ArrayLike) -> NDArray[np.int64]:
        """(N,) degrees -> (N,) the cell of each point; OUTSIDE, never cell 0, for a point that lies in none.

        NaN lies in none. With no rule of its own a partition leaves no other point outside: the nearest centre's cell
        takes it.
        """
        if self.rule is not None:
            lat, lon = (np.asarray(degrees, float).reshape(-1) for degrees in (lat_deg, lon_deg))
            return self.rule.assign(lat, lon)
        points_N3 = unit_vectors(lat_deg, lon_deg).reshape(-1, 3)
        cell_N = np.full(len(points_N3), OUTSIDE)
        known = np.isfinite(points_N3).all(axis=1)
        if known.any():  # the tree refuses to look for nothing
            cell_N[known] = self._tree.query(points_N3[known])[1]
        return cell_N

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that say whether two partitions label alike."""
        digest = hashlib.sha256(self.kind.encode())
        for values in (self.centres_lat, self.centres_lon, np.array([self.radius_km])):
            digest.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
        if self.rule is not None:
            digest.update(json.dumps(self.rule.plain(), sort_keys=True).encode())
        return digest.hexdigest()[:16]

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import cKDTree

        return cKDTree(unit_vectors(self.centres_lat, self.centres_lon))

    def plain(self) -> dict[str, Any]:
        """All of it as JSON-able data: what stands in checkpoints and exported models."""
        return {
            "kind": self.kind,
            "centres_lat": self.centres_lat.tolist(),
            "centres_lon": self.centres_lon.tolist(),
            "radius_km": self.radius_km,
            "rule": self.rule.plain() if self.rule else None,
            "levels": self.levels.tolist(),
            "cell_countries": list(self.countries),
            "fingerprint": self.fingerprint,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The partition of `plain()`. Raises KeyError, TypeError or ValueError where it is of anything else."""
        from geotune.geo.cells.rules import rule_of

        partition = cls(
            str(plain["kind"]),
            np.asarray(plain["centres_lat"], float),
            np.asarray(plain["centres_lon"], float),
            float(plain["radius_km"]),
            rule_of(plain["rule"]) if plain.get("rule") else None,  # models of before had only the centres
            np.asarray(plain.get("levels", ()), np.int64),
            tuple(plain.get("cell_countries", ())),
        )
        if plain.get("fingerprint", partition.fingerprint) != partition.fingerprint:
            raise ValueError(f"the cells are not those of fingerprint {plain['fingerprint']}")
        return partition

    def save(self, path: Path) -> None:
        """Write it as JSON, whole or not at all; `files.read_cells` reads it. Raises OSError."""
        fresh = path.with_name(f".{path.name}.tmp")
        try:
            fresh.write_text(json.dumps(self.plain()) + "\n", encoding="utf-8")
            fresh.replace(path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise


def rms_radius_km(partition: Partition, lat_deg: ArrayLike, lon_deg: ArrayLike) -> float:
    """Root mean square distance in km of the points (N,), all of them in cells, to the centres of their own cells."""
    cell_N = partition.assign(lat_deg, lon_deg)
    error_N = distance_km(lat_deg, lon_deg, partition.centres_lat[cell_N], partition.centres_lon[cell_N])
    return float(np.sqrt(np.mean(error_N**2)))
