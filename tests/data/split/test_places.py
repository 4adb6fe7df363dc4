import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geotune.data.split import blocks, places
from geotune.geo.sphere import EARTH_RADIUS_KM, distance_km
from tests.data.split.points import METRE


@given(st.integers(1, 60), st.integers(0, 1000), st.sampled_from([(89.9999, 0), (0, 179.9999), (-33, -70), (52, 0)]))
def test_places_never_chain(count: int, seed: int, centre: tuple[float, float]) -> None:
    rng = np.random.default_rng(seed)
    lat = np.clip(centre[0] + rng.normal(0, 3e-4, count), -90, 90)
    lon = (centre[1] + rng.normal(0, 3e-4, count) + 180) % 360 - 180
    of_photo = places(lat, lon, 25.0)
    assert set(of_photo) == set(range(of_photo.max() + 1))
    for place in range(of_photo.max() + 1):
        mine = of_photo == place
        assert distance_km(lat[mine][:, None], lon[mine][:, None], lat[mine], lon[mine]).max() <= 0.0501


def test_a_row_of_photos_does_not_become_one_place() -> None:
    lat = 50 + np.arange(100) * 10 / 111_195  # every 10 m along a kilometre
    found = len(np.unique(places(lat, np.zeros(100), 25.0)))
    assert 20 <= found <= 50


def test_known_places_stay_whole_and_near_ones_are_one() -> None:
    metre = 1 / 111_195
    known = np.array(["a", "a", "b", "c", "c"])
    lat = np.array([0, 80, 45, 500, 500]) * metre  # a's mean is 40 m, b lies 5 m from it
    of_photo = places(lat, np.zeros(5), 25.0, known)
    assert of_photo[0] == of_photo[1] == of_photo[2] != of_photo[3] == of_photo[4]


def test_known_places_across_the_antimeridian() -> None:
    lon = np.array([179.9999, -179.9999, 0.0])
    of_photo = places(np.zeros(3), lon, 25.0, np.array(["a", "a", "b"]))
    near = places(np.append(np.zeros(3), 0), np.append(lon, 180.0), 25.0, np.array(["a", "a", "b", "c"]))
    assert of_photo[0] == of_photo[1] != of_photo[2]
    assert near[0] == near[3]


def test_blocks_are_as_large_as_said_everywhere() -> None:
    rng = np.random.default_rng(0)
    for centre in (0.0, 52.0, -75.0):
        lat, lon = centre + rng.uniform(0, 0.01, 20_000), rng.uniform(0, 0.01, 20_000)
        of_photo = blocks(lat, lon, 200.0)
        north = [np.ptp(lat[of_photo == block]) * 111_195 for block in np.unique(of_photo)]
        east = [np.ptp(lon[of_photo == b]) * 111_195 * np.cos(np.radians(centre)) for b in np.unique(of_photo)]
        assert max(north) == pytest.approx(200, rel=0.05)
        assert max(east) == pytest.approx(200, rel=0.05)


def test_blocks_of_ten_degrees_take_the_poles_and_the_antimeridian() -> None:
    lat = np.array([90.0, 90.0, -90.0, 0.0, 0.0])
    lon = np.array([0.0, 5.0, 0.0, 180.0, -180.0])
    of_photo = blocks(lat, lon, np.radians(10) * EARTH_RADIUS_KM * 1000)
    assert of_photo[3] == of_photo[4]
    assert len({of_photo[0], of_photo[2], of_photo[3]}) == 3


def test_a_photo_without_a_name_counts_to_the_nearest_that_has_one() -> None:
    lat = np.array([0, 100, 110, 300, 310]) * METRE
    found = places(lat, np.zeros(5), 25, np.array(["a", "a", "", "", ""]))
    assert found[0] == found[1] == found[2] != found[3] == found[4]
    np.testing.assert_array_equal(places(lat, np.zeros(5), 25, np.full(5, "")), [0, 1, 1, 2, 2])
