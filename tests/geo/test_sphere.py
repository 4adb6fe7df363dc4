"""The sphere against pyproj, and its laws at the poles, the antimeridian and in all quadrants."""

import numpy as np
import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geotune.geo.sphere import (
    EARTH_RADIUS_KM,
    LocalFrame,
    distance_km,
    geometric_median,
    lat_lon,
    mean_point,
    unit_vectors,
    wrap_longitude,
)

R_METRES = EARTH_RADIUS_KM * 1000
HALF_TURN_KM = np.pi * EARTH_RADIUS_KM
SPHERE = pyproj.Geod(a=R_METRES, b=R_METRES)

lats = st.one_of(st.floats(-90, 90), st.sampled_from([-90.0, 90.0, 0.0, 89.9999999, -89.9999999]))
lons = st.one_of(st.floats(-180, 180), st.sampled_from([-180.0, 180.0, 0.0, 179.9999999, -179.9999999]))
points = st.tuples(lats, lons)

# One point a quadrant, the poles, both sides of the antimeridian, and a pair some metres apart.
LAT = np.array([52.2, 40.7, -33.9, -22.9, 90.0, -90.0, -16.8, -16.9, 39.95, 39.950_05, 0.0])
LON = np.array([0.1, -74.0, 151.2, -43.2, 0.0, 30.0, 179.99, -179.99, -75.19, -75.190_05, 180.0])


def test_a_quarter_turn_is_a_quarter_of_the_circumference():
    assert distance_km(0, 0, 0, 90) == pytest.approx(HALF_TURN_KM / 2, rel=1e-15)
    assert distance_km(90, 17, 0, -120) == pytest.approx(HALF_TURN_KM / 2, rel=1e-15)
    assert distance_km(51.5, -0.12, 48.85, 2.35) == pytest.approx(343, abs=2)  # London, Paris


def test_distances_of_all_pairs_are_those_of_pyproj():
    lat1, lat2 = np.meshgrid(LAT, LAT)
    lon1, lon2 = np.meshgrid(LON, LON)
    expected = SPHERE.inv(lon1, lat1, lon2, lat2)[2]
    np.testing.assert_allclose(distance_km(lat1, lon1, lat2, lon2) * 1000, expected, rtol=1e-9, atol=1e-5)


@given(points, points)
def test_distance_is_symmetric_bounded_and_that_of_pyproj(a, b):
    distance = distance_km(*a, *b)
    assert 0 <= distance <= HALF_TURN_KM * (1 + 1e-15)
    assert distance == pytest.approx(distance_km(*b, *a), abs=1e-9)
    assert distance * 1000 == pytest.approx(SPHERE.inv(a[1], a[0], b[1], b[0])[2], rel=1e-9, abs=1e-4)


@given(points)
def test_distance_keeps_its_digits_at_zero_and_at_the_antipodes(point):
    lat, lon = point
    assert distance_km(lat, lon, lat, lon) == 0
    assert distance_km(lat, lon, lat, lon + 360) < 1e-9
    assert distance_km(lat, lon, -lat, lon + 180) == pytest.approx(HALF_TURN_KM, abs=1e-9)


def test_distance_resolves_a_millimetre():
    one_mm = np.degrees(1e-3 / R_METRES)
    assert distance_km(42.44, -76.5, 42.44 + one_mm, -76.5) * 1e6 == pytest.approx(1, rel=1e-5)
    assert (HALF_TURN_KM - distance_km(42.44, 10, -42.44 + one_mm, -170)) * 1e6 == pytest.approx(1, rel=1e-2)


def test_distance_broadcasts():
    assert distance_km(LAT[:, None], LON[:, None], LAT[:4], LON[:4]).shape == (len(LAT), 4)


@given(points)
def test_unit_vectors_and_back(point):
    xyz = unit_vectors(*point)
    assert np.linalg.norm(xyz) == pytest.approx(1, abs=1e-15)
    lat, lon = lat_lon(7.5 * xyz)
    assert -90 <= lat <= 90
    assert -180 <= lon < 180
    assert distance_km(lat, lon, *point) < 1e-8


def test_unit_vectors_point_where_the_docstring_says():
    np.testing.assert_allclose(unit_vectors([0, 0, 90], [0, 90, 12]), np.eye(3), atol=1e-15)
    assert unit_vectors(np.zeros((2, 1)), np.zeros(5)).shape == (2, 5, 3)


def test_every_quadrant_comes_back_from_its_vector():
    """Public code that squares sine and cosine reaches one quadrant only."""
    lat, lon = lat_lon(unit_vectors(LAT[:4], LON[:4]))
    np.testing.assert_allclose(lat, LAT[:4], rtol=1e-14)
    np.testing.assert_allclose(lon, LON[:4], rtol=1e-14)


@given(st.floats(-1e6, 1e6))
def test_wrapped_longitude_is_the_same_meridian(lon):
    wrapped = wrap_longitude(lon)
    assert -180 <= wrapped < 180
    assert distance_km(0, wrapped, 0, lon) < 1e-3


def test_wrapped_longitude_keeps_what_is_in_range_to_the_bit():
    np.testing.assert_array_equal(wrap_longitude([-180, -76.512345678901234, 180, 540]), [-180, LON_BIT, -180, -180])
    assert wrap_longitude(np.nextafter(-180, -200)) == -180


LON_BIT = -76.512345678901234


def test_mean_point_across_the_antimeridian_and_over_the_pole():
    assert distance_km(*mean_point([10, 10], [179, -179]), 10.0, 180) < 1
    assert mean_point([80, 80], [0, 180])[0] == pytest.approx(90)


def test_mean_point_of_points_that_cancel_out_is_one_of_them():
    assert mean_point([0, 0], [0, 180]) == (0, 0)


def test_no_points_have_no_centre():
    with pytest.raises(ValueError, match="no points"):
        mean_point([], [])
    with pytest.raises(ValueError, match="no points"):
        geometric_median([], [])


def test_geometric_median_stays_with_the_many():
    rng = np.random.default_rng(0)
    lat = np.r_[42.44 + rng.normal(0, 1e-3, 95), rng.uniform(-60, 60, 5)]
    lon = np.r_[-76.5 + rng.normal(0, 1e-3, 95), rng.uniform(-180, 180, 5)]
    assert distance_km(*geometric_median(lat, lon), 42.44, -76.5) < 0.1
    assert distance_km(*mean_point(lat, lon), 42.44, -76.5) > 10


def test_geometric_median_of_one_spot_is_that_spot():
    assert distance_km(*geometric_median([51.5] * 9, [-0.1] * 9), 51.5, -0.1) < 1e-8


SPREAD_M = np.random.default_rng(0).normal(0, 2000, (41, 2)) + np.random.default_rng(1).exponential(9000, (41, 2))


@pytest.mark.parametrize("centre", [(0, 180), (-16.8, 179.99), (90, 0), (-90, 12), (89.99, -45), (42.44, -76.5)])
@pytest.mark.parametrize("middle", [mean_point, geometric_median])
def test_a_middle_is_the_same_wherever_on_earth_the_points_lie(middle, centre):
    """Of the same crowd, laid out about (0, 0), at a pole or across the antimeridian."""
    here, there = LocalFrame(0, 0), LocalFrame(*centre)
    expected = here.to_metres(*middle(*here.to_lat_lon(SPREAD_M)))
    found = there.to_metres(*middle(*there.to_lat_lon(SPREAD_M)))
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_geometric_median_of_the_world_has_the_least_sum_of_chords():
    rng = np.random.default_rng(5)
    lat, lon = np.degrees(np.arcsin(rng.uniform(-1, 1, 300))), rng.uniform(-180, 180, 300)
    lat[:150], lon[:150] = rng.normal(-80, 4, 150).clip(-90), rng.uniform(-180, 180, 150)

    def chords(point):
        return np.linalg.norm(unit_vectors(lat, lon) - unit_vectors(*point), axis=-1).sum()

    least = chords(geometric_median(lat, lon))
    assert all(chords((a, b)) > least - 1e-6 for a in np.linspace(-90, 90, 37) for b in np.linspace(-180, 180, 37))


@pytest.mark.parametrize("middle", [mean_point, geometric_median])
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_points_that_are_nowhere_have_no_middle(middle, wrong):
    with pytest.raises(ValueError, match=r"1 of 3 points .* not finite"):
        middle([1.0, wrong, 2.0], [0.0, 0.0, 0.0])


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=3, max_size=20), points)
def test_no_step_lowers_the_sum_that_the_geometric_median_minimises(offsets_km, centre):
    frame = LocalFrame(*centre)
    lat, lon = frame.to_lat_lon(np.array(offsets_km) * 1000)
    median = geometric_median(lat, lon)
    total = distance_km(*median, lat, lon).sum()
    ring = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    for metres in (1, 30, 300):
        other = LocalFrame(*median).to_lat_lon(metres * np.stack([np.cos(ring), np.sin(ring)], axis=1))
        moved = distance_km(other[0][:, None], other[1][:, None], lat, lon).sum(axis=1)
        assert (moved >= total - 2e-3 * len(lat)).all()  # 2 m a point: the iteration stops near a flat optimum


@pytest.mark.parametrize("centre", [(52.2, 0.1), (-33.9, 151.2), (0.0, 180.0), (-16.8, 179.99), (89.9, -45.0)])
def test_local_frame_is_the_azimuthal_equidistant_projection_of_pyproj(centre):
    project = pyproj.Proj(proj="aeqd", lat_0=centre[0], lon_0=centre[1], R=R_METRES)
    expected = np.stack(project(LON, LAT), axis=-1)
    np.testing.assert_allclose(LocalFrame(*centre).to_metres(LAT, LON), expected, rtol=1e-6, atol=1e-3)


def test_local_frame_points_east_and_north():
    east, north = LocalFrame(42.44, -76.5).to_metres([42.44, 42.45], [-76.49, -76.5])
    assert east[0] > 800
    assert abs(east[1]) < 0.1
    assert north[1] == pytest.approx(distance_km(0, 0, 0.01, 0) * 1000)
    assert abs(north[0]) < 1e-6


@given(points, points)
def test_local_frame_keeps_distances_and_comes_back(centre, point):
    frame = LocalFrame(*centre)
    xy = frame.to_metres(*point)
    distance = distance_km(*centre, *point)
    assert np.hypot(*xy) / 1000 == pytest.approx(distance, abs=1e-7)
    # Near the antipode one metre is a full circle of directions: the way back is only as good as a double there.
    if HALF_TURN_KM - distance > 1:
        assert distance_km(*frame.to_lat_lon(xy), *point) < 1e-6


@given(points, st.floats(-50_000, 50_000), st.floats(-50_000, 50_000))
def test_local_metres_come_back_within_a_micrometre(centre, x, y):
    frame = LocalFrame(*centre)
    np.testing.assert_allclose(frame.to_metres(*frame.to_lat_lon(np.array([x, y]))), [x, y], atol=1e-5)


def test_local_lengths_away_from_the_centre_are_right_to_two_in_a_hundred_thousand():
    frame = LocalFrame(52.2, 0.1)
    lat, lon = frame.to_lat_lon(np.array([[49_000.0, 10_000.0], [49_000.0, 9_000.0], [0, 0]]))
    assert distance_km(lat[0], lon[0], lat[1], lon[1]) == pytest.approx(1, rel=2e-5)
    assert (lat[2], lon[2]) == pytest.approx((52.2, 0.1), abs=1e-12)


def test_the_antipode_is_half_a_turn_away():
    assert np.hypot(*LocalFrame(90, 0).to_metres(-90, 0)) == pytest.approx(np.pi * R_METRES)
    assert np.hypot(*LocalFrame(0, 0).to_metres(0, 180)) == pytest.approx(np.pi * R_METRES)
