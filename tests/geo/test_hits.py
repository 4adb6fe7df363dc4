"""Right countries, right cells, and the cells' own error."""

import numpy as np
import pytest

from geotune.geo.cells.partition import Partition
from geotune.geo.hits import cell_accuracy, cells_of_centres, country_accuracy, floor_km

CELLS = Partition("test", np.array([0.0, 0.0, 0.0, 10.0]), np.array([0.0, 10.0, 180.0, -179.0]), radius_km=100.0)


class Northern:
    """A rule that knows only one cell, the last one, and that nothing lies in it south of the equator."""

    def assign(self, lat_deg, lon_deg):
        return np.where(np.asarray(lat_deg) > 0, 3, -1)

    def plain(self):
        return {"rule": "northern"}


def test_countries_of_photos_in_a_country():
    paris, berlin, brest, atlantic = (48.86, 2.35), (52.52, 13.4), (48.39, -4.49), (30.0, -40.0)
    own = np.array([paris, paris, berlin, berlin, atlantic]).T
    answers = np.array([brest, berlin, berlin, atlantic, atlantic]).T
    measure = country_accuracy(*own, *answers)
    assert measure.value() == 0.5  # the photo at sea does not count, an answer at sea is wrong
    assert country_accuracy(*np.array([atlantic]).T, *np.array([paris]).T) is None


def test_ranked_cells():
    lat, lon = np.array([0.1, 0.1, 9.0]), np.array([1.0, 9.0, 179.5])
    ranked = np.array([[0, 1, 2, 3, 3], [0, 3, 2, 3, 1], [2, 0, 1, 1, 1]])
    found = cell_accuracy(CELLS, lat, lon, ranked)
    assert {name: one.value() for name, one in found.items()} == pytest.approx({"cell_top1": 1 / 3, "cell_top5": 2 / 3})
    assert list(cell_accuracy(CELLS, lat, lon, ranked[:, :2])) == ["cell_top1"]


def test_a_photo_outside_all_cells_is_never_right_but_has_an_error():
    cells = Partition("test", CELLS.centres_lat, CELLS.centres_lon, 100.0, Northern())
    lat, lon = np.array([-1.0, 9.0]), np.array([0.0, 0.0])
    found = cell_accuracy(cells, lat, lon, np.array([[-1, 0, 0, 0, 0], [3, 0, 0, 0, 0]]))
    assert found["cell_top1"].values.tolist() == [0, 1]
    np.testing.assert_allclose(floor_km(cells, lat, lon)[0], 111.19, atol=0.01)


def test_centres_are_their_own_cells_across_the_antimeridian():
    grid = np.arange(4).reshape(2, 2)
    assert (cells_of_centres(CELLS, CELLS.centres_lat[grid], CELLS.centres_lon[grid]) == grid).all()
    assert cells_of_centres(CELLS, 0.0, -180.0) == 2


def test_the_floor_is_the_distance_to_the_own_centre():
    np.testing.assert_allclose(floor_km(CELLS, [0.0, 1.0, 0.0], [0.0, 10.0, -179.0]), [0, 111.19, 111.19], atol=0.01)
