"""Cells within borders: exactly so many, none across a border, the same every time, assigned as they were cut."""

import numpy as np
import pytest

from geotune.errors import GeotuneError
from geotune.geo.cells.borders import build
from geotune.geo.countries import country_codes
from geotune.geo.sphere import LocalFrame, distance_km
from tests.geo.cells.places import world

LAT, LON = world()
CODES = country_codes(LAT, LON)


@pytest.mark.parametrize("cells", [40, 200, 901])
def test_exactly_as_many_cells_and_none_crosses_a_border(cells):
    partition = build(LAT, LON, cells)
    cell = partition.assign(LAT, LON)
    assert len(partition) == cells
    np.testing.assert_array_equal(cell == -1, CODES == "")
    for k in range(cells):
        assert set(CODES[cell == k]) == {partition.countries[k]}  # and so no cell is empty


def test_points_are_assigned_to_the_cells_that_they_were_cut_into():
    partition = build(LAT, LON, 150)
    cell = partition.assign(LAT, LON)
    lat, lon = partition.centres_lat[cell], partition.centres_lon[cell]
    inside = cell >= 0
    rms = np.sqrt(np.mean(distance_km(LAT, LON, lat, lon)[inside] ** 2))
    assert partition.radius_km == pytest.approx(rms)


def test_every_cell_has_the_least_number_of_photos_but_those_of_small_countries(caplog):
    partition = build(LAT, LON, 80, minimum=12)
    photos = np.bincount(partition.assign(LAT, LON)[CODES != ""], minlength=80)
    for k in np.flatnonzero(photos < 12):
        assert photos[k] == np.sum(partition.countries[k] == CODES)
    assert "have fewer than 12 photos: each keeps a cell of its own" in caplog.text


def test_fewer_cells_where_the_least_number_allows_no_more(caplog):
    partition = build(LAT, LON, 500, minimum=100)
    assert len(partition) < 60
    assert "cells instead of 500: no more cuts leave 100 photos on either side" in caplog.text


def test_it_is_deterministic_and_the_order_of_photos_does_not_matter():
    order = np.random.default_rng(1).permutation(len(LAT))
    one, other = build(LAT, LON, 100, seed=0), build(LAT[order], LON[order], 100, seed=5)
    assert build(LAT, LON, 100).fingerprint == one.fingerprint
    np.testing.assert_array_equal(one.assign(LAT, LON), other.assign(LAT, LON))


def test_the_hierarchy_is_nested_and_keeps_countries_apart():
    partition = build(LAT, LON, 800)
    groups = partition.levels.max(axis=1) + 1
    assert list(groups) == sorted(set(groups))
    assert groups[-1] < 800
    for coarse, fine in zip(partition.levels, [*partition.levels[1:], np.arange(800)], strict=True):
        assert len(np.unique(np.stack([coarse, fine]), axis=1).T) == fine.max() + 1
    pairs = {(group, code) for group, code in zip(partition.levels[0], partition.countries, strict=True)}
    assert len(pairs) == groups[0]


def test_more_cells_cut_the_same_pieces_further():
    few, many = build(LAT, LON, 60), build(LAT, LON, 61)
    pairs = np.unique(np.stack([few.assign(LAT, LON), many.assign(LAT, LON)])[:, CODES != ""], axis=1)
    assert pairs.shape[1] == 61


def test_a_cut_runs_where_no_photos_are():
    frame = LocalFrame(47.0, 8.0)
    rng = np.random.default_rng(0)
    places = np.concatenate([rng.normal(0, 300, (50, 2)), rng.normal((9000, 3000), 300, (50, 2))])
    partition = build(*frame.to_lat_lon(places), 2)
    cell = partition.assign(*frame.to_lat_lon(places))
    assert len({*cell[:50]}) == len({*cell[50:]}) == 1
    assert cell[0] != cell[50]


def test_places_of_other_countries_and_the_sea_are_outside():
    partition = build([48.85, 48.86, 45.75], [2.35, 2.3, 4.85], 2)
    assert partition.assign([48.0, 52.5, 0.0, np.nan], [2.0, 13.4, -30.0, 0.0]).tolist()[1:] == [-1, -1, -1]
    assert partition.assign([48.0], [2.0])[0] >= 0


@pytest.mark.parametrize("photos", [1, 5])
def test_photos_of_one_place_are_one_cell(photos, caplog):
    partition = build([48.85] * photos, [2.35] * photos, 4)
    assert len(partition) == 1
    assert partition.radius_km == 0.001
    assert "1 cells instead of 4" in caplog.text


def test_too_few_cells_for_the_countries_and_no_country_at_all():
    with pytest.raises(GeotuneError, match="no cell may cross a border") as error:
        build(LAT, LON, 5)
    assert error.value.hint.startswith(f"take at least {len({*CODES} - {''})} cells")
    with pytest.raises(GeotuneError, match="none of the 2 photos lies in a country"):
        build([0.0, 1.0], [-30.0, -30.0], 2)
