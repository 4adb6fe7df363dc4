"""The contract that every head of the union keeps, on a region and on the world."""

import json
from typing import get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from geotune.config import build as build_settings
from geotune.config import flatten, settings_of
from geotune.geo.sphere import distance_km, wrap_longitude
from geotune.model.geography import Geography
from geotune.model.heads.base import Answers, Head
from geotune.model.heads.custom import CustomSettings
from geotune.model.settings import HeadSettings, ModelSettings

MEMBERS = get_args(get_args(HeadSettings)[0])
WIDTH = 12
OWN = {CustomSettings: {"path": "tests.model.heads.own_head:Point", "options": '{"factor": 2}'}}
VARIANTS = [
    *[member(**OWN.get(member, {})) for member in MEMBERS],
    *[member(hidden=16, dropout=0.5, **OWN.get(member, {})) for member in MEMBERS],
    *[member(loss="smooth_l1", alpha=0) for member in MEMBERS if "loss" in member.model_fields],
    *[member(smoothing=0, label_smoothing=0.1) for member in MEMBERS if "smoothing" in member.model_fields],
    *[
        member(balance=0.5, tau_km=0.3, **({"decode": "argmax"} if "decode" in member.model_fields else {}))
        for member in MEMBERS
        if "tau_km" in member.model_fields
    ],
]
Places = tuple[NDArray[np.float64], NDArray[np.float64]]


def places(extent: str) -> Places:
    rng = np.random.default_rng(3)
    if extent == "region":  # a town on the antimeridian
        return -16.8 + rng.normal(0, 0.003, 120), 179.999 + rng.normal(0, 0.003, 120)
    return np.degrees(np.arcsin(rng.uniform(-1, 1, 120))), rng.uniform(-180, 180, 120)


@pytest.fixture(params=["region", "world"])
def extent(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=VARIANTS, ids=lambda settings: repr(settings.model_dump(exclude_defaults=True)))
def settings(request: pytest.FixtureRequest) -> HeadSettings:
    return request.param  # type: ignore[no-any-return]


def build(settings: HeadSettings, extent: str) -> tuple[Head, Places]:
    torch.manual_seed(0)
    lat, lon = places(extent)
    geography = Geography.of(lat, lon)
    assert geography.extent == extent
    fitted = json.loads(json.dumps(settings.fit(geography, lat, lon, 0)))  # plain data, through a file
    head = settings.build(WIDTH, geography, fitted)
    if head.remembers.size:
        head.remember([torch.randn(len(head.remembers), WIDTH)])
    return head, (lat, lon)


def randomised(head: Head) -> Head:
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(0, 3)
    return head


def test_answers_are_on_earth_with_the_shapes_promised(settings: HeadSettings, extent: str) -> None:
    head, _ = build(settings, extent)
    answers = randomised(head).eval().decode(head(100 * torch.randn(7, WIDTH)))
    assert answers.lat.shape == answers.lon.shape == (7,)
    assert answers.lat.dtype == answers.lon.dtype == np.float64
    assert (np.abs(answers.lat) <= 90).all()
    assert ((answers.lon >= -180) & (answers.lon < 180)).all()
    if answers.confidence is not None:
        assert answers.confidence.shape == (7,)
        assert ((answers.confidence >= 0) & (answers.confidence <= 1 + 1e-6)).all()
    if answers.candidates is not None:
        shape = answers.candidates.probability.shape
        assert shape[0] == 7
        assert answers.candidates.lat.shape == answers.candidates.lon.shape == shape
        assert (np.diff(answers.candidates.probability, axis=1) <= 0).all()


def test_the_loss_is_finite_and_moves_every_weight(settings: HeadSettings, extent: str) -> None:
    head, (lat, lon) = build(settings, extent)
    randomised(head).eval()  # without dropout, which may hide a weight
    parts = head.loss(head(torch.randn(120, WIDTH)), head.targets(lat, lon))
    assert all(part.ndim == 0 and torch.isfinite(part) for part in parts.values())
    parts["loss"].backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_a_perfect_answer_has_a_finite_gradient(settings: HeadSettings, extent: str) -> None:
    """The first photo lies exactly where the untrained regression answers: at the centre."""
    head, _ = build(settings, extent)
    targets = head.targets([head.geography.lat_deg], [head.geography.lon_deg])
    head.loss(head(torch.randn(1, WIDTH)), targets)["loss"].backward()
    assert all(torch.isfinite(p.grad).all() for p in head.parameters() if p.grad is not None)


CORNERS = [(90, 0), (-90, 123), (89.999999, -45), (0, 180), (0, -180), (10, 179.9999999), (-10, -179.9999999), (0, 0)]
"""Poles, the antimeridian from both sides, and where the axes meet."""


@pytest.mark.parametrize("factor", [0, 1, 100])
def test_loss_and_gradient_are_finite_at_the_corners_of_the_earth(settings: HeadSettings, factor: float) -> None:
    """For photos there, by a head trained there, whatever it says: the same for all, something, or loudly wrong."""
    torch.manual_seed(0)
    lat, lon = (np.repeat(values, 15).astype(float) for values in zip(*CORNERS, strict=True))
    geography = Geography.of(lat, lon)
    head = settings.build(WIDTH, geography, settings.fit(geography, lat, lon, 0))
    parts = head.loss(head(factor * torch.randn(len(lat), WIDTH)), head.targets(lat, lon))
    assert all(torch.isfinite(part) for part in parts.values())
    parts["loss"].backward()
    assert all(torch.isfinite(p.grad).all() for p in head.parameters() if p.grad is not None)
    answers = head.eval().decode(head(factor * torch.randn(len(lat), WIDTH)))
    assert np.isfinite(answers.lat + answers.lon).all()


def test_it_overfits_eight_photos_in_all_four_quadrants(settings: HeadSettings, extent: str) -> None:
    settings = settings.model_copy(update={"dropout": 0.0, "hidden": 64})
    head, (lat, lon) = build(settings, extent)
    where = quadrant(head, lat, lon)
    chosen = np.concatenate([np.flatnonzero(where == one)[:2] for one in range(4)])
    features, lat, lon = torch.randn(8, WIDTH), lat[chosen], lon[chosen]
    head.standardise.fit([features])
    targets = head.targets(lat, lon)
    untrained = error_km(head.decode(head(features)), lat, lon)
    optimiser = torch.optim.AdamW(head.parameters(), lr=0.01, weight_decay=0)
    for _ in range(150):
        optimiser.zero_grad()
        head.loss(head(features), targets)["loss"].backward()
        optimiser.step()
    if head.remembers.size:
        assert head.remembers.size == 120
        photos = torch.randn(120, WIDTH)
        photos[chosen] = features
        head.remember([photos[:50], photos[50:]])
    answers = head.decode(head(features))
    assert error_km(answers, lat, lon) < min(0.35 * untrained, 0.4 * head.geography.rms_radius_km)
    assert set(quadrant(head, answers.lat, answers.lon)) == {0, 1, 2, 3}


def test_training_is_deterministic(settings: HeadSettings, extent: str) -> None:
    def trained() -> list[torch.Tensor]:
        head, (lat, lon) = build(settings, extent)
        optimiser = torch.optim.SGD(head.parameters(), lr=0.01)
        targets = head.targets(lat, lon)
        for _ in range(3):
            optimiser.zero_grad()
            head.loss(head(torch.randn(120, WIDTH)), targets)["loss"].backward()
            optimiser.step()
        return list(head.state_dict().values())

    assert all(torch.equal(one, other) for one, other in zip(trained(), trained(), strict=True))


def test_it_survives_save_and_load_without_the_training_places(settings: HeadSettings, extent: str) -> None:
    head, (lat, lon) = build(settings, extent)
    randomised(head).standardise.fit([5 + torch.randn(50, WIDTH)])
    fitted = json.loads(json.dumps(settings.fit(head.geography, lat, lon, 0)))
    again = settings.build(WIDTH, head.geography, fitted)
    again.load_state_dict(head.state_dict())
    features = torch.randn(9, WIDTH)
    before, after = (one.eval().decode(one(features)) for one in (head, again))
    np.testing.assert_array_equal(before.lat, after.lat)
    np.testing.assert_array_equal(before.lon, after.lon)


def test_under_autocast_it_computes_in_float32(settings: HeadSettings, extent: str) -> None:
    head, (lat, lon) = build(settings, extent)
    randomised(head).eval()
    features = torch.randn(120, WIDTH)
    plain = head.loss(head(features), head.targets(lat, lon))["loss"]
    with torch.autocast("cpu", torch.bfloat16):
        outputs = head(features)
        assert all(output.dtype == torch.float32 for output in outputs.values())
        assert all(output.dtype == torch.float32 for output in head(features.bfloat16()).values())
        assert torch.equal(head.loss(outputs, head.targets(lat, lon))["loss"], plain)


def test_answers_of_batches_are_the_answers_of_all(settings: HeadSettings, extent: str) -> None:
    head, _ = build(settings, extent)
    outputs = randomised(head).eval()(torch.randn(10, WIDTH))
    whole = head.decode(outputs)
    parts = [head.decode({k: v[part] for k, v in outputs.items()}) for part in (slice(0, 7), slice(7, 10))]
    joined = Answers.concat(parts)
    np.testing.assert_allclose(joined.lat, whole.lat, atol=1e-3)
    assert len(joined) == 10
    assert (joined.confidence is None) == (whole.confidence is None)
    if whole.candidates is not None and joined.candidates is not None:
        np.testing.assert_allclose(joined.candidates.probability, whole.candidates.probability, atol=1e-4)


def test_a_stray_photo_does_not_outweigh_the_town(settings: HeadSettings) -> None:
    head, (lat, lon) = build(settings, "region")
    features = torch.randn(120, WIDTH)
    strayed = head.targets(np.append(lat[:-1], 52.0), np.append(lon[:-1], 4.0))
    loss = head.loss(head(features), strayed)["loss"]
    assert float(loss.detach()) < 5 * float(head.loss(head(features), head.targets(lat, lon))["loss"].detach())


def test_it_says_what_its_settings_are(settings: HeadSettings) -> None:
    model = ModelSettings(head=settings)
    assert build_settings(ModelSettings, flatten(model)) == model
    described = settings_of(type(settings))
    assert {setting.key for setting in described} == set(settings.model_dump())
    assert all(setting.doc for setting in described)


def quadrant(head: Head, lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.int64]:
    """0 to 3: of the Earth for the world, about its centre for a region."""
    world = head.geography.extent == "world"
    north = lat > (0 if world else head.geography.lat_deg)
    east = wrap_longitude(lon - (0 if world else head.geography.lon_deg)) > 0
    return 2 * north + east


def error_km(answers: Answers, lat: NDArray[np.float64], lon: NDArray[np.float64]) -> float:
    return float(np.mean(distance_km(answers.lat, answers.lon, lat, lon)))
