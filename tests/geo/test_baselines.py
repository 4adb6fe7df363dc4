"""Answers that need no model."""

import numpy as np
import pytest

from geotune.geo.baselines import mean_place_km, nearest_place_km
from geotune.geo.sphere import distance_km


def test_the_mean_place_across_the_antimeridian():
    np.testing.assert_allclose(mean_place_km([0, 0], [179, -179], [0.0, 0.0], [180.0, 179.0]), [0, 111.19], atol=0.01)


def test_the_nearest_place_is_that_of_a_plain_search():
    rng = np.random.default_rng(0)
    train = rng.uniform(-90, 90, 300), rng.uniform(-180, 180, 300)
    lat, lon = np.append(rng.uniform(-90, 90, 50), [90, -90, 0]), np.append(rng.uniform(-180, 180, 50), [7, 7, 180])
    everyone = distance_km(lat[:, None], lon[:, None], *train)
    np.testing.assert_allclose(nearest_place_km(*train, lat, lon), everyone.min(axis=1), rtol=1e-9)


def test_a_training_place_is_its_own_nearest():
    assert nearest_place_km([51.5, 0], [-0.1, 9], [51.5], [-0.1]) == pytest.approx(0)
