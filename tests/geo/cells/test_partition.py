"""A partition labels every point with its nearest centre, and never changes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geotune.geo.cells.partition import Partition, rms_radius_km
from geotune.geo.sphere import distance_km

rng = np.random.default_rng(0)
LAT, LON = np.degrees(np.arcsin(rng.uniform(-1, 1, 200))), rng.uniform(-180, 180, 200)
WORLD = Partition("test", LAT, LON, 100.0)


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_the_cell_is_the_one_with_the_nearest_centre(lat, lon):
    distance = distance_km(lat, lon, LAT, LON)
    assert distance[WORLD.assign([lat], [lon])[0]] == pytest.approx(distance.min(), abs=1e-8)


def test_every_centre_is_in_its_own_cell():
    cells = WORLD.assign(LAT, LON)
    assert cells.dtype == np.int64
    np.testing.assert_array_equal(cells, np.arange(len(WORLD)))


def test_cells_reach_across_the_antimeridian_and_over_the_pole():
    partition = Partition("test", np.array([0.0, 0.0, 80.0]), np.array([179.0, 90.0, 0.0]), 1.0)
    np.testing.assert_array_equal(partition.assign([0, 0, 89.0], [-179.0, 100.0, 180.0]), [0, 1, 2])


def test_centres_a_centimetre_apart_are_told_apart():
    lat = 42.44 + np.arange(5) * 1e-7
    partition = Partition("test", lat, np.full(5, -76.5), 1.0)
    np.testing.assert_array_equal(partition.assign(lat + 4e-8, np.full(5, -76.5)), np.arange(5))


def test_no_points_have_no_cells():
    assert WORLD.assign([], []).shape == (0,)


def test_rms_radius():
    partition = Partition("test", np.array([0.0, 0.0]), np.array([0.0, 90.0]), 1.0)
    one = distance_km(0, 0, 0, 1)
    assert rms_radius_km(partition, [0, 0, 0, 0], [1, -1, 90, 93]) == pytest.approx(one * np.sqrt((1 + 1 + 0 + 9) / 4))


def test_fingerprints_tell_labels_apart():
    assert WORLD.fingerprint == Partition("test", LAT.tolist(), LON.tolist(), 100.0).fingerprint
    others = [
        Partition("other", LAT, LON, 100.0),
        Partition("test", LAT, LON, 101.0),
        Partition("test", LAT[::-1], LON[::-1], 100.0),
        Partition("test", LAT, np.where(np.arange(200) == 7, LON + 1e-9, LON), 100.0),
    ]
    assert len({WORLD.fingerprint, *(other.fingerprint for other in others)}) == 5


def test_it_cannot_be_changed_from_outside():
    lat = np.array([1.0, 2.0])
    partition = Partition("test", lat, np.array([3.0, 4.0]), 1.0)
    lat[0] = 50
    assert partition.centres_lat[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        partition.centres_lat[0] = 50


@pytest.mark.parametrize(
    ("lat", "lon", "radius_km", "text"),
    [
        ([], [], 1.0, "K above 0"),
        ([1.0], [1.0, 2.0], 1.0, "K above 0"),
        ([[1.0]], [[1.0]], 1.0, "K above 0"),
        ([np.nan], [1.0], 1.0, "finite"),
        ([1.0], [1.0], np.inf, "finite"),
        ([1.0], [1.0], 0.0, "above 0"),
    ],
)
def test_what_is_no_partition_is_refused(lat, lon, radius_km, text):
    with pytest.raises(ValueError, match=text):
        Partition("test", np.array(lat), np.array(lon), radius_km)
