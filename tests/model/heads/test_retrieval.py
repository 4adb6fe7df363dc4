"""Similar photos answer: which are kept, what the median makes of liars, and a training that fills the memory."""

import numpy as np
import pytest
import torch

from geotune.geo.sphere import distance_km
from geotune.model.geography import Geography
from geotune.model.heads.retrieval import RetrievalHead, RetrievalSettings, weighted_median

rng = np.random.default_rng(0)
LAT, LON = 52.2 + rng.normal(0, 0.005, 100), 0.12 + rng.normal(0, 0.008, 100)


def head(**settings: int) -> RetrievalHead:
    torch.manual_seed(0)
    chosen = RetrievalSettings(**settings)  # type: ignore[arg-type]
    geography = Geography.of(LAT, LON)
    return chosen.build(16, geography, chosen.fit(geography, LAT, LON, 0))


def test_a_photo_that_is_kept_is_found_again() -> None:
    made, features = head(neighbours=1), torch.randn(100, 16)
    made.remember([features[made.remembers]])
    answers = made.decode(made(features))
    assert distance_km(answers.lat, answers.lon, LAT, LON).max() < 1e-6
    assert answers.confidence is not None
    np.testing.assert_allclose(answers.confidence, 1)


def test_at_most_so_many_photos_are_kept_and_the_seed_says_which() -> None:
    one, same = head(kept=30), head(kept=30)
    assert one.memory.shape == (30, 16)
    assert len(set(one.remembers.tolist())) == 30
    assert one.remembers.tolist() == same.remembers.tolist()
    assert head(kept=30, hidden=8).memory.shape == (30, 8)


@pytest.mark.parametrize("axes", [2, 3])
def test_the_median_stays_with_the_majority(axes: int) -> None:
    points = np.zeros((1, 5, axes))
    points[0, :, 0] = [1.0, 1.0, 1.0, -1.0, -1.0]
    median = weighted_median(points, np.full((1, 5), 0.2), 1.0)
    np.testing.assert_allclose(median[0, 0], 1, atol=1e-3)
    weights = np.array([[0.1, 0.1, 0.1, 0.35, 0.35]])
    np.testing.assert_allclose(weighted_median(points, weights, 1.0)[0, 0], -1, atol=1e-3)


def test_a_projection_learns_what_tells_places_apart() -> None:
    """Where the place hides in two of 16 features, among much larger noise."""
    made = head(hidden=8)
    position = torch.from_numpy(made.geography.coordinates(LAT, LON)).float()
    features = torch.cat([position, 3 * torch.randn(100, 14)], dim=1)
    fresh = torch.cat([position, 3 * torch.randn(100, 14)], dim=1)
    optimiser = torch.optim.AdamW(made.parameters(), lr=0.01)
    targets, errors = made.targets(LAT, LON), []
    for _ in range(3):
        made.remember([features[made.remembers]])
        answers = made.decode(made(fresh))
        errors.append(np.median(distance_km(answers.lat, answers.lon, LAT, LON)))
        for _ in range(60):
            optimiser.zero_grad()
            made.loss(made(torch.cat([position, 3 * torch.randn(100, 14)], dim=1)), targets)["loss"].backward()
            optimiser.step()
    assert errors[-1] < 0.4 * errors[0]


def test_the_median_of_places_all_over_the_world_is_on_the_earth() -> None:
    places, weights = np.eye(3)[None], np.array([[0.5, 0.3, 0.2]])
    median = weighted_median(places, weights, 1.0)
    np.testing.assert_allclose(np.linalg.norm(median, axis=-1), 1)
    np.testing.assert_allclose(median[0], [1, 0, 0], atol=1e-3)  # half of the weight holds it
    assert np.isfinite(weighted_median(np.array([[[1.0, 0, 0], [-1, 0, 0]]]), np.full((1, 2), 0.5), 1.0)).all()
