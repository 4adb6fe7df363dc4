"""Region or world: strays, the antimeridian and both sides of the limit."""

import numpy as np
import pytest

from geotune.geo.extent import extent_of, inliers
from geotune.geo.sphere import LocalFrame


def town(centre, photos, radius_km=2.0):
    xy = np.random.default_rng(0).normal(0, radius_km * 500, (photos, 2))
    return LocalFrame(*centre).to_lat_lon(xy)


@pytest.mark.parametrize("centre", [(42.4, -76.5), (-16.8, 180.0), (90.0, 0.0), (-33.9, 151.2)])
def test_a_town_is_a_region_wherever_it_lies(centre):
    assert extent_of(*town(centre, 300)) == "region"
    assert inliers(*town(centre, 300)).all()


def test_one_holiday_photo_in_a_hundred_does_not_make_a_campus_a_world():
    lat, lon = town((42.4, -76.5), 99)
    lat, lon = np.r_[lat, -33.9], np.r_[lon, 151.2]
    assert extent_of(lat, lon) == "region"
    np.testing.assert_array_equal(inliers(lat, lon), [True] * 99 + [False])


def test_two_in_a_hundred_do():
    lat, lon = town((42.4, -76.5), 98)
    lat, lon = np.r_[lat, -33.9, 51.5], np.r_[lon, 151.2, 0]
    assert extent_of(lat, lon) == "world"
    assert inliers(lat, lon).all()


def test_the_limit_is_a_hundred_kilometres_from_the_middle():
    ring = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    circle = np.stack([np.cos(ring), np.sin(ring)], axis=1) * 1000
    assert extent_of(*LocalFrame(47, 8).to_lat_lon(99 * circle)) == "region"
    assert extent_of(*LocalFrame(47, 8).to_lat_lon(101 * circle)) == "world"


def test_a_single_photo_is_a_region():
    assert extent_of([1.0], [2.0]) == "region"
