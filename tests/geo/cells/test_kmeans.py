"""k-means cells: never empty, as good as scikit-learn's, whole over poles and the antimeridian."""

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geotune.geo.cells import kmeans
from geotune.geo.cells.kmeans import build
from geotune.geo.cells.partition import Partition, rms_radius_km
from geotune.geo.sphere import LocalFrame, distance_km, unit_vectors


def town(photos, centre=(42.44, -76.5), seed=0):
    return LocalFrame(*centre).to_lat_lon(np.random.default_rng(seed).normal(0, 300, (photos, 2)))


def world(photos, seed=0):
    rng = np.random.default_rng(seed)
    return np.degrees(np.arcsin(rng.uniform(-1, 1, photos))), rng.uniform(-180, 180, photos)


def photos_a_cell(partition, lat, lon):
    return np.bincount(partition.assign(lat, lon), minlength=len(partition))


@pytest.mark.parametrize("cells", [1, 32, 600])
@pytest.mark.parametrize("place", [town, world])
def test_as_many_cells_as_asked_for_each_with_a_photo(place, cells):
    lat, lon = place(2000)
    partition = build(lat, lon, cells, seed=0)
    assert (partition.kind, len(partition)) == ("kmeans", cells)
    assert photos_a_cell(partition, lat, lon).min() >= 1
    assert partition.radius_km == pytest.approx(rms_radius_km(partition, lat, lon))


@pytest.mark.parametrize("place", [town, world])
def test_cells_are_within_three_percent_of_those_of_scikit_learn(place):
    from sklearn.cluster import KMeans

    lat, lon = place(1500)
    points = LocalFrame(42.44, -76.5).to_metres(lat, lon) / 1000 if place is town else unit_vectors(lat, lon)
    theirs = np.sqrt(KMeans(40, n_init=4, random_state=0).fit(points).inertia_ / len(lat))
    ours = build(lat, lon, 40, seed=0).radius_km
    if place is world:  # chords of the unit sphere -> km; arcs are a little longer
        theirs *= 6371.0088
    assert ours == pytest.approx(theirs, rel=0.03)


def test_the_same_seed_gives_the_same_cells_and_another_seed_others():
    lat, lon = town(500)
    assert build(lat, lon, 16, seed=3).fingerprint == build(lat, lon, 16, seed=3).fingerprint
    assert build(lat, lon, 16, seed=3).fingerprint != build(lat, lon, 16, seed=4).fingerprint


def test_separate_villages_become_the_cells():
    middles = np.array([(0.0, 0.0), (4000, 500), (-3000, 3000), (500, -4000)])
    rng = np.random.default_rng(0)
    which = np.repeat(np.arange(4), [300, 40, 100, 60])
    frame = LocalFrame(-16.8, 180.0)
    lat, lon = frame.to_lat_lon(middles[which] + rng.normal(0, 30, (500, 2)))
    partition = build(lat, lon, 4, seed=0)
    for k in range(4):
        assert len(set(partition.assign(lat[which == k], lon[which == k]))) == 1
    assert partition.radius_km == pytest.approx(0.030 * np.sqrt(2), rel=0.1)


def test_a_town_on_the_antimeridian_or_a_pole_is_not_torn():
    here, there, pole = (build(*town(400, c), 8, 0).radius_km for c in [(0.0, 20.0), (0.0, 180.0), (90.0, 0.0)])
    assert there == pytest.approx(here, rel=0.05)
    assert pole == pytest.approx(here, rel=0.05)


def test_cells_follow_the_photos_not_the_spots():
    """The centre of a cell is the mean of its photos, however few their spots."""
    spots = [(0.0, 0.0)] + [(100.0, 0.0)] * 1000 + [(-300.0, 0.0)] * 500
    lat, lon = LocalFrame(42.44, -76.5).to_lat_lon(np.array(spots))
    cell = build(lat, lon, 1, seed=0)
    east, north = LocalFrame(42.44, -76.5).to_metres(cell.centres_lat, cell.centres_lon)[0]
    assert east == pytest.approx(np.mean(spots, axis=0)[0], abs=0.1)
    assert north == pytest.approx(0, abs=0.1)


def test_an_empty_cell_moves_onto_the_farthest_photo():
    spots = np.array([[10.0, 10.1, 12.0], [20.0, 20.0, 20.0]])
    partition = Partition("kmeans", np.array([10.0, -60.0]), np.array([20.0, -100.0]), 1.0)
    filled = kmeans._fill_empty(partition, spots)
    np.testing.assert_array_equal(filled.centres_lat, [10.0, 12.0])
    np.testing.assert_array_equal(filled.centres_lon, [20.0, 20.0])


def test_a_cell_that_cannot_be_filled_goes(caplog):
    partition = Partition("kmeans", np.array([90.0, 90.0]), np.array([0.0, 120.0]), 1.0)
    assert len(kmeans._fill_empty(partition, np.array([[90.0], [0.0]]))) == 1
    assert "1 cells instead of 2" in caplog.text


def test_strays_of_a_region_get_no_cell_and_do_not_stretch_the_radius():
    lat, lon = town(1000)
    clean = build(lat, lon, 16, seed=0)
    with_stray = build(np.r_[lat, -33.9], np.r_[lon, 151.2], 16, seed=0)
    assert with_stray.radius_km == pytest.approx(clean.radius_km, rel=0.05)
    assert distance_km(with_stray.centres_lat, with_stray.centres_lon, 42.44, -76.5).max() < 5


def test_fewer_spots_than_cells_give_fewer_cells_and_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        partition = build([1.0, 1.0, 2.0, 2.0], [3.0, 3.0, 4.0, 4.0 - 360], 64, seed=0)
    assert len(partition) == 2
    assert "2 cells instead of 64" in caplog.text
    assert partition.radius_km == 0.001  # the floor: labels and offsets divide by it


def test_two_longitudes_of_a_pole_are_one_cell():
    assert len(build([90.0, 90.0, 80.0], [0.0, 120.0, 0.0], 3, seed=0)) == 2


def test_as_many_spots_as_cells_are_the_centres():
    lat, lon = world(50)
    partition = build(lat, lon, 50, seed=0)
    np.testing.assert_array_equal(np.sort(partition.assign(lat, lon)), np.arange(50))


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=1, max_size=30),
    st.integers(1, 12),
    st.integers(0, 3),
)
def test_no_cell_is_ever_empty(points, cells, seed):
    lat, lon = np.array(points).T
    partition = build(lat, lon, cells, seed=seed)
    assert 1 <= len(partition) <= cells
    assert photos_a_cell(partition, lat, lon).min() >= 1


def test_many_cells_of_clumped_photos_are_all_in_use():
    rng = np.random.default_rng(0)
    lat, lon = world(300)
    clump = rng.integers(0, 300, 8_000)
    lat = np.clip(lat[clump] + rng.normal(0, 0.1, 8_000), -90, 90)
    lon = lon[clump] + rng.normal(0, 0.1, 8_000)
    partition = build(lat, lon, 700, seed=0)
    assert len(partition) == 700
    assert photos_a_cell(partition, lat, lon).min() >= 1
    assert partition.radius_km < 30


@pytest.mark.parametrize(
    ("lat", "lon", "cells"), [([], [], 4), ([1.0], [1.0], 0), ([np.nan], [1.0], 4), ([1.0], [1.0, 2.0], 4)]
)
def test_misuse_is_told(lat, lon, cells):
    with pytest.raises(ValueError, match="cells of"):
        build(lat, lon, cells, seed=0)
