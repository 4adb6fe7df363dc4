import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geotune.data.split.near import Points
from geotune.geo.sphere import distance_km

CENTRES = [(89.9999, 0), (-90, 10), (0, 179.9999), (-33, -70), (52, 0)]


@given(st.integers(1, 50), st.integers(0, 1000), st.sampled_from(CENTRES), st.sampled_from([1e-5, 1e-3, 10]))
def test_nearest_is_the_nearest_by_brute_force(count: int, seed: int, centre: tuple, spread: float) -> None:
    rng = np.random.default_rng(seed)
    lat = np.clip(centre[0] + rng.normal(0, spread, 2 * count), -90, 90)
    lon = (centre[1] + rng.normal(0, spread, 2 * count) + 180) % 360 - 180
    metres, which = Points(lat[:count], lon[:count]).nearest(lat[count:], lon[count:])
    every = 1000 * distance_km(lat[count:, None], lon[count:, None], lat[:count], lon[:count])
    np.testing.assert_allclose(metres, every.min(axis=1), atol=1e-6, rtol=1e-6)
    np.testing.assert_allclose(every[np.arange(count), which], metres, atol=1e-6, rtol=1e-6)


def test_nothing_is_infinitely_far() -> None:
    metres, _ = Points(np.zeros(0), np.zeros(0)).nearest(np.zeros(2), np.zeros(2))
    assert np.isinf(metres).all()


def test_the_antipode_is_half_the_circumference_away() -> None:
    metres, _ = Points(np.array([10.0]), np.array([20.0])).nearest(np.array([-10.0]), np.array([-160.0]))
    assert metres[0] == pytest.approx(20_015_114, rel=1e-6)


@given(st.integers(1, 300), st.integers(0, 1000), st.sampled_from([0.0, 5.0, 40.0, 1e8]))
def test_leaders_are_those_of_the_plain_loop(count: int, seed: int, radius_m: float) -> None:
    rng = np.random.default_rng(seed)
    spread = np.where(rng.random(count) < 0.5, 2e-5, 2e-3)  # crowds and strays: the steps grow and shrink
    lat, lon = 52 + rng.normal(0, 1, count) * spread, rng.normal(0, 1, count) * spread
    every = 1000 * distance_km(lat[:, None], lon[:, None], lat, lon)
    led: list[int] = []
    for point in range(count):
        if not led or every[point, led].min() > radius_m:
            led.append(point)
    assert list(Points(lat, lon).leaders(radius_m)) == led


def test_a_crowd_of_thousands_lists_no_square_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geotune.data.split.near._AT_ONCE", 5_000)
    lat = np.concatenate([np.arange(3000) * 0.01, 50 + np.arange(3000) * 1e-9])  # strays, then a crowd
    assert len(Points(lat, np.zeros(6000)).leaders(25.0)) == 3001
