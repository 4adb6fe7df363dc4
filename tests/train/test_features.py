"""The shared features of a frozen backbone."""

import threading

import numpy as np
import pytest
import torch

from geotune.data.cache.squares import decoded
from geotune.data.dataset import open_dataset
from geotune.model.geolocator import Geolocator
from geotune.train import features
from geotune.train.features import FeatureStore, digest
from geotune.train.progress import Progress
from geotune.train.run import build_model

FROZEN = {"model.frozen_layers": 5, "input.augment": "light", "input.views": 3}


@pytest.fixture
def store(config, region):
    """`store(**changes)` -> a store, and the training split."""

    def made(**changes):
        settings = config(**{**FROZEN, **changes})
        dataset = open_dataset(region)
        store = FeatureStore(build_model(settings, dataset), settings, Progress(None, 1), "float32")
        return store, dataset.split("train")

    return made


@pytest.fixture
def forwards(monkeypatch):
    """How many photos have passed the backbone."""
    seen: list[int] = []
    pooled = Geolocator.pooled

    def counted(self, images):
        seen.append(len(images))
        return pooled(self, images)

    monkeypatch.setattr(Geolocator, "pooled", counted)
    return seen


def test_plain_features_are_the_models_own(store):
    made, train = store(**{"input.sizes": [32, 40]})
    small, large = made.plain(train)
    with torch.no_grad():
        made.model.eval()
        for size, found in ((32, small), (40, large)):
            expected = made.model.pooled(torch.from_numpy(np.array(decoded(train, size)))).numpy()
            assert found.shape == expected.shape
            assert np.allclose(found, expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max())


def test_the_first_view_is_plain_and_the_others_differ(store):
    made, train = store()
    views = made.views(train)
    assert len(views) == 3
    assert np.array_equal(views[0][0], made.plain(train)[0])
    assert not np.array_equal(views[1][0], views[0][0])
    assert not np.array_equal(views[1][0], views[2][0])


def test_without_augmentation_there_is_one_view(store):
    made, train = store(**{"input.augment": "none"})
    assert len(made.views(train)) == 1


def test_trials_share_them_whatever_their_heads_and_seeds(store, forwards):
    made, train = store(**{"input.sizes": [72]})
    made.views(train)
    assert sum(forwards) == 3 * len(train)
    forwards.clear()
    again, _ = store(**{"input.sizes": [72], "model.head.name": "cells", "optim.lr": 0.5, "train.epochs": 9})
    again.views(train)
    assert not forwards
    more, _ = store(**{"input.sizes": [72, 80]})  # another size is added, the first one is there
    more.views(train)
    assert sum(forwards) == 3 * len(train)


@pytest.mark.parametrize(
    "change", [{"input.sizes": 40}, {"model.backbone": "test_efficientnet"}, {"model.features": "stages"}, {"seed": 5}]
)
def test_what_they_depend_on_names_them(store, change):
    """The seed of a run matters here only as it decides the random weights of `model.weights=none`."""
    made, train = store()
    other, _ = store(**change)
    size = other.config.input.sizes[0]
    assert made.folder(train, 32, 0) != other.folder(train, size, 0)


def test_the_policy_names_the_augmented_views_only(store):
    made, train = store()
    other, _ = store(**{"input.augment": "world"})
    assert made.folder(train, 32, 0) == other.folder(train, 32, 0)
    assert made.folder(train, 32, 1) != other.folder(train, 32, 1)


def test_several_share_the_work(store, forwards, monkeypatch):
    """Two workers at once: every photo passes the backbone once, and both see the same."""
    monkeypatch.setattr(features, "CHUNK", 8)
    change = {"input.sizes": 44}
    (one, train), (two, _) = store(**change), store(**change)
    found: dict[int, np.ndarray] = {}
    threads = [
        threading.Thread(target=lambda n=n, made=made: found.update({n: made.plain(train)[0]}))
        for n, made in enumerate((one, two))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(forwards) == len(train)
    assert np.array_equal(found[0], found[1])


def test_values_beyond_float16_are_cut(store, monkeypatch):
    made, train = store(**{"input.sizes": 36})
    width = made.model.feature_width(36)
    monkeypatch.setattr(Geolocator, "pooled", lambda self, images: torch.full((len(images), width), -1e9))
    assert float(made.plain(train)[0].min()) == -65504.0


def test_a_digest_tells_weights_apart():
    layer = torch.nn.Conv2d(3, 2, 3)
    before = digest(layer.state_dict())
    assert before == digest(layer.to(memory_format=torch.channels_last).state_dict())
    with torch.no_grad():
        layer.bias[0] += 1e-6
    assert digest(layer.state_dict()) != before


def test_another_decoder_makes_other_features(store, monkeypatch):
    made, train = store()
    before = made.folder(train, 32, 0)
    monkeypatch.setattr(features, "SQUARES_RECIPE", features.SQUARES_RECIPE + 1)
    assert made.folder(train, 32, 0) != before


def test_how_much_room_there_was_does_not_show(store, monkeypatch, tmp_path):
    """Photos kept as JPEG are decoded anew for features: the same on every node."""
    made, train = store()
    expected = np.array(made.plain(train)[0])
    monkeypatch.setenv("GEOTUNE_CACHE", str(tmp_path))
    monkeypatch.setenv("GEOTUNE_CACHE_LIMIT", "0.1MB")
    assert decoded(train, 32).tier == "jpeg"
    np.testing.assert_array_equal(made.plain(train)[0], expected)
