"""S2 and quadtree cells: squares quartered where photos are dense."""

import numpy as np
import pytest

from geotune.errors import GeotuneError
from geotune.geo.cells import quadtree, s2
from geotune.geo.cells.boxes import Boxes
from geotune.geo.cells.s2_cells import S2Cells, id_of, leaf_ids, token_of
from tests.geo.cells.places import world

LAT, LON = world()
BUILDERS = pytest.mark.parametrize("builder", [s2, quadtree], ids=lambda module: module.KIND)
# (lat, lon), the leaf cell and the cell of level 7, all by s2cell 1.8.0: one or more on each of the six faces.
S2CELL = [
    (48.8584, 2.2945, "47e66fe1f36a36a5", "47e64"), (-33.8568, 151.2153, "6b12ae669072a21f", "6b12c"),
    (40.6892, -74.0445, "89c25088d6fe3dd9", "89c24"), (-22.9519, -43.2105, "00997fd59ac76099", "00994"),
    (89.9, 12.0, "45555640d438df57", "45554"), (-89.5, -170.0, "a5557b9c7a28c291", "a5554"),
    (52.2, 0.12, "47d870a29c78406b", "47d84"), (-16.8, 179.999, "6e1fe20a1e51fc87", "6e1fc"),
    (0.0, -90.5, "9aaad3332b33554b", "9aaac"),
]  # fmt: skip


def test_s2_cells_are_those_that_others_compute():
    lat, lon = np.array([row[:2] for row in S2CELL]).T
    leaves = leaf_ids(lat, lon)
    assert [f"{leaf:x}".zfill(16) for leaf in leaves] == [row[2] for row in S2CELL]
    tokens = [token_of(int(leaf) >> (61 - 14), 7) for leaf in leaves]
    assert tokens == [row[3] for row in S2CELL]
    assert S2Cells(tokens).assign(lat, lon + 360).tolist() == list(range(len(tokens)))


@BUILDERS
@pytest.mark.parametrize("cells", [12, 300])
def test_at_most_as_many_cells_each_with_a_photo(builder, cells):
    partition = builder.build(LAT, LON, cells)
    photos = np.bincount(partition.assign(LAT, LON), minlength=len(partition))  # -1 would raise
    assert cells - 2 <= len(partition) <= cells
    assert photos.min() >= 1
    assert photos.sum() == len(LAT)


@BUILDERS
def test_photos_that_stand_too_alone_are_outside(builder, caplog):
    partition = builder.build(LAT, LON, 200, minimum=10)
    cell = partition.assign(LAT, LON)
    assert np.bincount(cell[cell >= 0]).min() >= 10
    assert 0 < (cell == -1).sum() < 0.2 * len(LAT)
    assert f"{(cell == -1).sum()} photos stand in squares of fewer than 10" in caplog.text


@BUILDERS
def test_the_fullest_square_is_never_fuller_than_need_be(builder):
    few, many = (np.bincount(builder.build(LAT, LON, n).assign(LAT, LON)).max() for n in (50, 400))
    assert many < few


@BUILDERS
def test_the_hierarchy_is_nested(builder):
    partition = builder.build(LAT, LON, 640)
    assert len(partition.levels) == 2
    for coarse, fine in zip(partition.levels, [partition.levels[1], np.arange(len(partition))], strict=True):
        assert len(np.unique(np.stack([coarse, fine]), axis=1).T) == fine.max() + 1
        assert coarse.max() < fine.max()


@BUILDERS
@pytest.mark.parametrize("photos", [1, 7])
def test_photos_of_one_place_are_one_cell(builder, photos, caplog):
    partition = builder.build([10.0] * photos, [20.0] * photos, 5)
    assert len(partition) == 1
    assert partition.radius_km == 0.001
    assert "1 cells instead of 5: no square parts into two of 1 photos" in caplog.text


@BUILDERS
def test_corners_of_the_earth_have_cells(builder):
    lat, lon = np.array([(90.0, 0), (-90, 0), (0, -180), (0, 180), (0, 0), (45, 90)]).T
    cell = builder.build(lat, lon, 6).assign(lat, lon)
    assert (cell >= 0).all()
    assert cell[2] == cell[3]


@BUILDERS
def test_what_is_no_place_is_outside(builder):
    partition = builder.build(LAT, LON, 400)
    assert partition.assign([np.nan, 10.0], [10.0, np.nan]).tolist() == [-1, -1]
    north, east = np.meshgrid(np.arange(-85, 90, 10), np.arange(-175, 180, 10))
    assert 0.2 < (partition.assign(north, east) == -1).mean() < 1


def test_too_few_cells_and_too_few_photos():
    with pytest.raises(GeotuneError, match=r"2 cells for photos on \d faces"):
        s2.build(LAT, LON, 2)
    with pytest.raises(GeotuneError, match="no square of the Earth holds 9,999") as error:
        quadtree.build(LAT, LON, 20, minimum=9_999)
    assert error.value.hint == "take a smaller minimum"


def test_a_point_on_an_edge_belongs_north_and_east_of_it():
    boxes = Boxes(np.array([[0, 0, 10, 10], [0, 10, 10, 20], [10, 0, 20, 10], [10, 10, 20, 20.0]]))
    assert boxes.assign(np.array([5, 5, 10, 10, 20.0]), np.array([5, 10, 5, 10, 20.0])).tolist() == [0, 1, 2, 3, 3]
    assert boxes.assign(np.array([20.1, -0.1]), np.array([5.0, 5.0])).tolist() == [-1, -1]


def test_the_antimeridian_is_an_edge_of_the_box_that_ends_there():
    west, east = [-20, 170, -10, 180], [-20, -180, -10, -170.0]
    for lon in (180.0, -180.0, 540.0):
        at = np.array([-15.0]), np.array([lon])
        assert Boxes(np.array([west], float)).assign(*at).tolist() == [0]
        assert Boxes(np.array([west, east])).assign(*at).tolist() == [1]  # east of it


@BUILDERS
def test_a_town_beside_strays_is_looked_into(builder):
    """Two photos at the other end of a square are too few for a cell; the town must not stay whole for them."""
    rng = np.random.default_rng(0)
    lat = np.concatenate([48.8 + rng.normal(0, 0.5, 500), [60.0, 60.1]])
    lon = np.concatenate([2.3 + rng.normal(0, 0.5, 500), [40.0, 40.1]])
    partition = builder.build(lat, lon, 30, minimum=5)
    assert len(partition) >= 27
    cell = partition.assign(lat, lon)
    assert np.bincount(cell[cell >= 0]).min() >= 5
    assert cell[-2:].tolist() == [-1, -1]
    together = builder.build(np.repeat([48.8, 60.0], [500, 2]), np.repeat([2.3, 40.0], [500, 2]), 30, minimum=5)
    assert len(together) == 1
    assert together.assign([60.0], [40.0]).tolist() == [0]  # parted by nothing: whole, with all its photos


@pytest.mark.parametrize(
    ("edges", "text"),
    [
        ([[0, 0, 10, 10], [5, 5, 6, 6]], "cells 0 and 1 overlap"),
        ([[0, 0, 10, 10], [0, 0, 10, 10]], "overlap"),
        ([[10, 0, 0, 10]], r"cell 0 has the edges 10, 0, 0, 10 \(south, west, north, east\): .* south < north"),
        ([[0, 170, 10, 190]], "east <= 180"),
        ([[-91, 0, 0, 10]], "-90 <= south"),
    ],
)
def test_wrong_boxes_are_refused(edges, text):
    with pytest.raises(ValueError, match=text):
        Boxes(np.array(edges, float))


@pytest.mark.parametrize("token", ["", "x", "0", "4", "8", "d", "ffff", "47e66fe1f36a36a5f", "-1"])
def test_what_is_no_s2_cell_is_refused(token):
    with pytest.raises(ValueError, match="is no S2 cell"):
        id_of(token)


def test_s2_cells_within_each_other_are_refused():
    with pytest.raises(ValueError, match="overlap"):
        S2Cells(["47e64", "47e66fe1f36a36a5"])
    with pytest.raises(ValueError, match="overlap"):
        S2Cells(["47e64", "47e64"])
