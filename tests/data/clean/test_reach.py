"""Groups are those of brute force, wherever photos lie."""

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from geotune.data.clean.reach import reachable
from geotune.geo.sphere import distance_km

RNG = np.random.default_rng(3)
TOWNS = RNG.uniform(-3, 3, (30, 2)).repeat(12, axis=0) + RNG.normal(0, 0.15, (360, 2))
DRAWN = {
    "a world": (np.degrees(np.arcsin(RNG.uniform(-1, 1, 400))), RNG.uniform(-180, 180, 400)),
    "a pole": (RNG.uniform(85, 90, 300), RNG.uniform(-180, 180, 300)),
    "towns on the antimeridian": (TOWNS[:, 0], TOWNS[:, 1] % 360 - 180),
    "one photo": (np.array([52.0]), np.array([13.0])),
}


@pytest.mark.parametrize("drawn", DRAWN)
@pytest.mark.parametrize("step_km", [1, 20, 70, 100, 500, 1500, 30_000])
def test_groups_are_those_of_brute_force(drawn: str, step_km: float) -> None:
    lat, lon = DRAWN[drawn]
    near = distance_km(lat[:, None], lon[:, None], lat, lon) <= step_km
    assert reachable(lat, lon, 1000 * step_km).tolist() == connected_components(near)[1].tolist()


def test_one_step_joins_two_crowds() -> None:
    lat = np.r_[52 + RNG.uniform(0, 0.5, 5000), 53.5 + RNG.uniform(0, 0.5, 5000)]  # 111 km apart
    lon = RNG.uniform(13, 13.5, 10_000)
    assert set(reachable(lat, lon, 100_000).tolist()) == {0, 1}
    lat[[7, 5007]], lon[[7, 5007]] = (52.6, 53.45), 13.25  # 94.5 km
    assert not reachable(lat, lon, 100_000).any()
