"""Coordinates there and back, the unit of losses, and strays that change neither."""

import numpy as np
import pytest

from geotune.geo.sphere import distance_km
from geotune.model.geography import Geography

rng = np.random.default_rng(0)


@pytest.mark.parametrize(("lat", "lon"), [(52.2, 0.12), (-33.9, 151.2), (71.0, 179.9995), (-89.9, 10.0)])
def test_region_coordinates_come_back_to_the_millimetre_after_float32(lat: float, lon: float) -> None:
    lats, lons = lat + rng.normal(0, 0.003, 200), lon + rng.normal(0, 0.003, 200)
    geography = Geography.of(lats, lons)
    assert geography.extent == "region"
    assert geography.axes == 2
    back = geography.lat_lon(geography.coordinates(lats, lons).astype(np.float32))
    assert distance_km(lats, lons, *back).max() * 1e6 < 1


def test_world_coordinates_are_unit_vectors_and_need_no_length_coming_back() -> None:
    lats, lons = np.degrees(np.arcsin(rng.uniform(-1, 1, 200))), rng.uniform(-180, 180, 200)
    geography = Geography.of(lats, lons)
    assert geography.extent == "world"
    assert geography.axes == 3
    coordinates = geography.coordinates(lats, lons)
    np.testing.assert_allclose(np.linalg.norm(coordinates, axis=1), 1)
    assert distance_km(lats, lons, *geography.lat_lon(3 * coordinates)).max() < 1e-9


def test_the_mean_square_of_the_training_places_is_one_radius() -> None:
    lats, lons = 52.2 + rng.normal(0, 0.002, 500), 0.12 + rng.normal(0, 0.003, 500)
    geography = Geography.of(lats, lons)
    squares = (geography.coordinates(lats, lons) ** 2).sum(1)
    assert squares.mean() == pytest.approx(1.0, rel=1e-6)
    assert geography.radius == 1.0


def test_one_holiday_photo_does_not_stretch_the_unit() -> None:
    lats, lons = 52.2 + rng.normal(0, 0.002, 500), 0.12 + rng.normal(0, 0.003, 500)
    plain = Geography.of(lats, lons)
    stray = Geography.of(np.append(lats, -33.9), np.append(lons, 151.2))
    assert stray.extent == "region"
    assert stray.rms_radius_km == pytest.approx(plain.rms_radius_km, rel=0.01)


def test_a_single_place_has_a_finite_unit() -> None:
    geography = Geography.of([10.0, 10.0], [20.0, 20.0])
    assert geography.rms_radius_km > 0
    assert np.isfinite(geography.coordinates([10.0], [20.0])).all()
