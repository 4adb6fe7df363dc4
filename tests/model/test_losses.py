"""The float32 distances keep value and gradient from a metre to the antipodes."""

import numpy as np
import pytest
import torch

from geotune.geo.sphere import EARTH_RADIUS_KM, distance_km, unit_vectors
from geotune.model.geography import Geography
from geotune.model.losses import geodesic, haversine_labels, label_entropy, on_surface, soft_labels


def world(lat: float, lon: float) -> torch.Tensor:
    return torch.from_numpy(unit_vectors(lat, lon).astype(np.float32))


@pytest.mark.parametrize(
    ("there", "km"),
    [((0.001, 0), 0.111), ((1, 0), 111.2), ((0, 90), 10007.6), ((-60, 170), None), ((0, 179.9), None)],
)
def test_geodesic_on_the_sphere_is_the_great_circle(there: tuple[float, float], km: float | None) -> None:
    measured = float(geodesic(world(0, 0), world(*there))) * EARTH_RADIUS_KM
    assert measured == pytest.approx(float(distance_km(0, 0, *there)), rel=1e-3, abs=0.002)
    if km is not None:
        assert measured == pytest.approx(km, rel=0.01)


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("step", [0.0, 1e-7, 1e-5, 1e-2])
def test_the_gradient_is_finite_at_and_near_the_target(axes: int, step: float) -> None:
    target = torch.eye(axes)[0]
    point = (target + step * torch.eye(axes)[1]).requires_grad_()
    geodesic(point, target).backward()
    assert point.grad is not None
    assert torch.isfinite(point.grad).all()
    if step >= 1e-5:
        assert float(point.grad[1]) == pytest.approx(1.0, rel=0.05)  # the distance grows as fast as the step


def test_the_gradient_is_finite_at_the_antipode_and_at_the_centre_of_the_earth() -> None:
    for start in ([-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]):
        point = torch.tensor(start, requires_grad=True)
        distance = geodesic(point, torch.tensor([1.0, 0.0, 0.0]))
        distance.backward()
        assert point.grad is not None
        assert torch.isfinite(point.grad).all()
        assert torch.isfinite(distance)


def test_the_length_of_a_vector_does_not_change_its_place() -> None:
    torch.testing.assert_close(on_surface(7 * world(30, 40)), world(30, 40))


def test_a_region_resolves_a_metre_also_at_longitude_minus_75() -> None:
    geography = Geography("region", 40.0, -75.0, 0.3)
    positions = geography.coordinates([40.0, 40.0], [-75.003, -75.003 + 1 / 85_000])  # a metre further east
    here, there = torch.from_numpy(positions.astype(np.float32))
    metres = float(geodesic(here, there)) * 300
    assert metres == pytest.approx(1.0, abs=0.01)


def test_soft_labels_fade_like_a_gaussian_and_never_vanish() -> None:
    labels = soft_labels(torch.tensor([[0.0, 1.0, 4.0], [1e6, 1.1e6, 2e6]]), width=1.0)
    torch.testing.assert_close(labels.sum(1), torch.ones(2))
    assert float(labels[0, 1] / labels[0, 0]) == pytest.approx(np.exp(-0.5))
    assert float(labels[1, 0]) == pytest.approx(1.0)  # a stray photo has the nearest cell


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_label_entropy_is_torchs_cross_entropy(smoothing: float) -> None:
    logits, hard = 10 * torch.randn(7, 5), torch.randint(5, (7,))
    soft = torch.rand(7, 5).softmax(-1)
    for labels in (hard, soft):
        expected = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")
        torch.testing.assert_close(label_entropy(logits, labels, smoothing), expected)


def test_haversine_labels_fall_with_distance() -> None:
    labels = haversine_labels(torch.tensor([[0.0, 1.0, 30000.0]]), 2.0)
    assert float(labels.sum()) == pytest.approx(1)
    assert float(labels[0, 1] / labels[0, 0]) == pytest.approx(np.exp(-0.5))
    far = haversine_labels(torch.tensor([[20000.0, 20001.0]]), 0.1)
    assert torch.isfinite(far).all()
    assert float(far[0, 0]) > 0.999
