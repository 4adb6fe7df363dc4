"""The whole model: built from a seed, rebuilt from plain data, fed with features, saved without frozen weights."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from geotune.config import build
from geotune.errors import GeotuneError
from geotune.model.geolocator import Geolocator
from geotune.model.settings import InputSettings, ModelSettings

rng = np.random.default_rng(0)
LAT, LON = 52.2 + rng.normal(0, 0.002, 60), 0.12 + rng.normal(0, 0.003, 60)
PHOTOS = rng.integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)


def geolocator(seed: int = 0, sizes: list[int] | int = 64, **flat: Any) -> Geolocator:
    given = {"backbone": "test_resnet", "weights": "none"} | {k.replace("__", "."): v for k, v in flat.items()}
    model = build(ModelSettings, given)
    made = Geolocator.build(model, build(InputSettings, {"sizes": sizes}), LAT, LON, seed=seed)
    made.fit_standardisation([made.features(torch.from_numpy(PHOTOS))])
    return made


def test_the_seed_decides_every_weight_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    one, same, other = geolocator(seed=1), geolocator(seed=1), geolocator(seed=2)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), same.state_dict().values(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("head", ["regression", "cells", "hybrid"])
@pytest.mark.parametrize("sizes", [64, [32, 64]])
def test_it_is_rebuilt_from_json_and_tensors_alone(head: str, sizes: list[int] | int) -> None:
    made = geolocator(head__name=head, features="stages", frozen_layers=2, sizes=sizes)
    again = Geolocator.rebuild(json.loads(json.dumps(made.plain())))
    again.load_state_dict(made.state_dict())
    before, after = made.predict(PHOTOS), again.predict(PHOTOS)
    np.testing.assert_array_equal(before.lat, after.lat)
    np.testing.assert_array_equal(before.lon, after.lon)
    assert again.plain() == made.plain()


def test_ready_features_give_what_photos_give() -> None:
    made = geolocator(head__name="cells", frozen_layers=5, sizes=[64, 32]).eval()
    images = torch.from_numpy(PHOTOS)
    features = made.features(images)
    assert made.size == 64
    assert features.shape == (6, made.feature_width(64) + made.feature_width(32))
    torch.testing.assert_close(features[:, : made.feature_width(64)], made.pooled(images))
    torch.testing.assert_close(made.head(features)["logits"], made(images)["logits"])


def test_features_are_standardised_inside_the_head() -> None:
    made = geolocator()
    standardised = made.head.standardise(made.features(torch.from_numpy(PHOTOS)).detach())
    torch.testing.assert_close(standardised.mean(0), torch.zeros(standardised.shape[1]), atol=1e-3, rtol=0)
    torch.testing.assert_close(standardised.std(0, correction=0), torch.ones(standardised.shape[1]), atol=1e-2, rtol=0)


def test_a_feature_that_never_varies_stays_finite() -> None:
    made = geolocator()
    made.fit_standardisation([torch.full((5, made.feature_width(64)), 3.0)])
    assert torch.isfinite(made.head.standardise(torch.randn(2, made.feature_width(64)))).all()


def test_predict_is_repeatable_and_restores_the_mode() -> None:
    made = geolocator(head__name="cells", head__dropout=0.5).train()
    first, second = made.predict(PHOTOS), made.predict(torch.from_numpy(PHOTOS))
    np.testing.assert_array_equal(first.lat, second.lat)
    assert made.training


def test_one_step_of_training_lowers_the_loss() -> None:
    made = geolocator(head__name="cells", head__cells=8).train()
    images, targets = torch.from_numpy(PHOTOS), {k: v[:6] for k, v in made.targets(LAT, LON).items()}
    optimiser = torch.optim.AdamW(made.parameters(), lr=1e-3)
    losses = []
    for _ in range(8):
        loss = made.loss(made(images), targets)["loss"]
        losses.append(float(loss.detach()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("frozen_layers", [0, 3, 5])
def test_a_checkpoint_leaves_the_frozen_weights_out(frozen_layers: int) -> None:
    made = geolocator(frozen_layers=frozen_layers)
    state = {name: tensor.clone() for name, tensor in made.trainable_state().items()}
    frozen = {name for name in made.state_dict() if name not in state}
    assert bool(frozen) == (frozen_layers > 0)
    assert all(name.startswith("backbone.net.") for name in frozen)
    assert {f"backbone.{n}" for n, p in made.backbone.named_parameters() if not p.requires_grad} <= frozen
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.requires_grad:
                parameter.add_(1)
    made.load_trainable_state(state)
    assert all(torch.equal(tensor, state[name]) for name, tensor in made.trainable_state().items())


def test_a_checkpoint_of_other_settings_is_refused() -> None:
    with pytest.raises(GeotuneError, match="other settings"):
        geolocator(head__name="cells").load_trainable_state(geolocator().trainable_state())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"format": 99}, "format 99"),
        ({"geography": {}}, "damaged"),
        ({"model": {"head": {"name": "oracle"}}}, "expected one of"),
    ],
)
def test_damaged_plain_data_is_refused(damage: dict[str, Any], message: str) -> None:
    with pytest.raises(GeotuneError, match=message):
        Geolocator.rebuild(geolocator().plain() | damage)


def test_cells_without_their_centres_are_damaged() -> None:
    plain = geolocator(head__name="cells").plain() | {"fitted": {}}
    with pytest.raises(GeotuneError, match="damaged"):
        Geolocator.rebuild(plain)
