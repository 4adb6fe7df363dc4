"""The mixture's density: a probability over the Earth, right in float32 however wide or narrow."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from geotune.geo.sphere import distance_km
from geotune.model.geography import Geography
from geotune.model.heads.mixture import MixtureHead, MixtureSettings, log_normaliser

rng = np.random.default_rng(0)
LAT, LON = np.degrees(np.arcsin(rng.uniform(-1, 1, 200))), rng.uniform(-180, 180, 200)


@pytest.mark.parametrize("kappa", [1e-9, 1e-5, 0.99e-4, 1.01e-4, 0.1, 1.0, 50.0, 1e4])
def test_the_density_on_the_sphere_sums_to_one(kappa: float) -> None:
    constant = float(log_normaliser(torch.tensor(np.log(kappa), dtype=torch.float32), 3).exp())
    # exp(-κ·chord²/2) over all directions: 2π ∫ exp(-κ·w) dw, where w = 1 - cos runs from 0 to 2
    parts = [0, *(min(2, many / kappa) for many in (1, 5, 40)), 2]
    total = sum(quad(lambda w: 2 * np.pi * np.exp(-kappa * w), *part)[0] for part in pairwise(parts))
    assert constant * total == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("axes", [2, 3])
def test_value_and_gradient_stay_finite_from_uniform_to_a_point(axes: int) -> None:
    log_kappa = torch.linspace(-30, 28, 200, requires_grad=True)
    value = log_normaliser(log_kappa, axes)
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert log_kappa.grad is not None
    assert torch.isfinite(log_kappa.grad).all()
    assert (value.diff() >= -1e-6).all()


def head() -> MixtureHead:
    torch.manual_seed(0)
    settings, geography = MixtureSettings(components=8), Geography.of(LAT, LON)
    return settings.build(4, geography, settings.fit(geography, LAT, LON, 0))


def test_it_answers_where_the_weight_is_and_ranks_the_rest() -> None:
    made = head().eval()
    outputs = made(torch.zeros(1, 4))
    weights = torch.tensor([[0.0, 0, 3, 0, 0, 2, 0, 0]])
    answers = made.decode(outputs | {"weights": weights})
    lat, lon = made.geography.lat_lon(outputs["means"].detach().double().numpy())
    assert answers.candidates is not None
    np.testing.assert_allclose(answers.candidates.lat[0, :2], lat[0, [2, 5]], atol=1e-4)
    assert distance_km(answers.lat[0], answers.lon[0], lat[0, 2], lon[0, 2]) < 2000
    assert answers.confidence is not None
    assert 0.5 < answers.confidence[0] < 1


def test_thousands_of_components_answer_within_memory() -> None:
    torch.manual_seed(0)
    lat, lon = np.degrees(np.arcsin(rng.uniform(-1, 1, 2500))), rng.uniform(-180, 180, 2500)
    settings, geography = MixtureSettings(components=2000), Geography.of(lat, lon)
    made = settings.build(4, geography, settings.fit(geography, lat, lon, 0)).eval()
    outputs = made(torch.randn(3, 4)) | {"weights": torch.randn(3, 2000)}
    tracemalloc.start()
    answers = made.decode(outputs)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6  # all pairs of 2,000 means are 96 MB
    assert answers.candidates is not None
    heaviest = outputs["weights"].softmax(-1).amax(-1).numpy()
    np.testing.assert_allclose(answers.candidates.probability[:, 0], heaviest, rtol=1e-5)
