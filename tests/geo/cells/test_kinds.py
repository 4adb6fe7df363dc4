"""One contract over every kind of cells."""

import numpy as np
import pytest

from geotune.errors import GeotuneError
from geotune.geo.cells.kinds import KINDS, build
from geotune.geo.cells.partition import Partition, rms_radius_km
from geotune.geo.cells.statistics import statistics
from tests.geo.cells.places import world

LAT, LON = world(1500)
ALL = pytest.mark.parametrize("kind", KINDS)


@ALL
def test_cells_are_counted_filled_and_deterministic(kind):
    partition = build(kind, LAT, LON, 60)
    assert partition.kind == kind
    assert len(partition) <= 60
    assert len(partition) == 60 or kind not in ("kmeans", "borders")
    found = statistics(partition, LAT, LON)
    assert found.photos.min() >= 1
    assert found.photos.sum() + found.outside == len(LAT)
    assert build(kind, LAT, LON, 60).fingerprint == partition.fingerprint
    inside = found.cell >= 0
    assert partition.radius_km == pytest.approx(rms_radius_km(partition, LAT[inside], LON[inside]))


@ALL
def test_any_turn_of_a_longitude_and_no_points(kind):
    partition = build(kind, LAT, LON, 60)
    np.testing.assert_array_equal(partition.assign(LAT, LON + 360), partition.assign(LAT, LON))
    assert partition.assign([], []).shape == (0,)
    assert partition.assign([np.nan, 10.0, LAT[0]], [10.0, np.nan, LON[0]])[:2].tolist() == [-1, -1]


@ALL
def test_a_stray_of_a_region_is_no_reason_for_a_cell(kind):
    """One holiday photo 4,000 km away, in the same country, among a town's 999."""
    rng = np.random.default_rng(0)
    lat, lon = 42.36 + rng.normal(0, 0.004, 999), -71.1 + rng.normal(0, 0.004, 999)
    alone = build(kind, lat, lon, 16, minimum=5)
    beside = build(kind, np.append(lat, 34.0), np.append(lon, -118.0), 16, minimum=5)
    assert beside.fingerprint == alone.fingerprint
    assert beside.radius_km < 1


def test_only_cells_within_borders_never_cross_one():
    crossing = {kind: int(statistics(build(kind, LAT, LON, 60), LAT, LON).crossing.sum()) for kind in KINDS}
    assert crossing["borders"] == crossing["countries"] == 0
    assert min(crossing["kmeans"], crossing["s2"], crossing["quadtree"]) > 0


def test_statistics_of_what_is_known():
    partition = Partition("kmeans", np.array([0.0, 0.0, 50.0]), np.array([0.0, 10.0, 50.0]), 1.0)
    found = statistics(partition, [1.0, -1.0, 0.0], [0.0, 0.0, 10.0])
    assert found.photos.tolist() == [2, 1, 0]
    np.testing.assert_allclose(found.rms_km, [111.195, 0.0, np.nan], rtol=1e-4)
    np.testing.assert_allclose(found.error_km, [111.195, 111.195, 0.0], rtol=1e-4)


@ALL
@pytest.mark.parametrize(
    ("lat", "lon", "cells", "problem"),
    [
        ([], [], 4, "cells of 0 latitudes"),
        ([1.0], [1.0, 2.0], 4, "cells of 1 latitudes and 2 longitudes"),
        ([np.nan, 1.0], [1.0, 1.0], 4, "1 of 2 photos have coordinates that are no place on Earth"),
        ([1.0, 91.0], [1.0, 1.0], 4, "1 of 2 photos have coordinates"),
        ([1.0], [np.inf], 4, "1 of 1 photos have coordinates"),
        ([1.0], [1.0], 0, "0 cells of at least 1 photos"),
    ],
)
def test_bad_input_is_told(kind, lat, lon, cells, problem):
    with pytest.raises(GeotuneError, match=problem) as error:
        build(kind, lat, lon, cells)
    assert error.value.hint
