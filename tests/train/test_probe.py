"""A forecast from a few steps: plausible, and without traces."""

import pytest
import torch

from geotune.data.dataset import Split, open_dataset
from geotune.errors import GeotuneError
from geotune.model.backbone import Backbone
from geotune.train import probe as probing
from geotune.train.loop import train
from geotune.train.probe import probe


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(probing, "LONGEST_SECONDS", 0.05)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"model.frozen_layers": 5, "input.augment": "light", "input.sizes": [52, 60]},
        {"model.frozen_layers": 4, "input.augment": "light", "input.sizes": [52, 60], "model.features": "stages"},
        {"model.frozen_layers": 5, "input.augment": "light", "input.views": 0},
    ],
)
def test_a_forecast(config, region, changes, tmp_path, monkeypatch):
    monkeypatch.setenv("GEOTUNE_CACHE", str(tmp_path / "cache"))
    found = probe(config(**changes), open_dataset(region), threads=1)
    assert found.epochs == 3
    assert found.seconds == pytest.approx(3 * found.seconds_epoch)
    assert found.seconds_epoch > 0
    assert found.seconds_features > 0
    assert found.memory_mb > 50
    assert found.checkpoint_mb > 0
    assert found.cache_mb > 0
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("frozen", [4, 5])
def test_what_is_cached_costs_nothing_more(config, region, tmp_path, monkeypatch, frozen):
    monkeypatch.setenv("GEOTUNE_CACHE", str(tmp_path / "cache"))
    settings = config(**{"model.frozen_layers": frozen, "train.epochs": 1})
    list(train(settings, tmp_path))
    assert probe(settings, open_dataset(region)).seconds_features == 0


def test_maps_that_find_no_room_are_no_part_of_it(config, region, monkeypatch, tmp_path):
    """Photos pass in their place, in every epoch."""
    settings = config(**{"model.frozen_layers": 4, "input.augment": "light", "input.views": 8})
    stored = probe(settings, open_dataset(region))
    monkeypatch.setenv("GEOTUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GEOTUNE_CACHE_LIMIT", "0.1MB")
    assert probe(settings, open_dataset(region)).cache_mb < stored.cache_mb


def test_threads_are_put_back(config, region):
    before = torch.get_num_threads()
    probe(config(), open_dataset(region), threads=before + 1)
    assert torch.get_num_threads() == before


def test_a_model_that_does_not_fit(config, region, monkeypatch):
    forward = Backbone.forward

    def full(self, images):
        if torch.is_grad_enabled():
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, images)

    monkeypatch.setattr(Backbone, "forward", full)
    with pytest.raises(GeotuneError, match=r"model\.backbone=test_resnet does not fit"):
        probe(config(), open_dataset(region))


def test_a_damaged_photo_is_named(config, region, monkeypatch):
    monkeypatch.setattr(Split, "photo", lambda self, i: b"\xff\xd8 cut")
    with pytest.raises(GeotuneError, match=r"photo '0-0' of the train split cannot be decoded"):
        probe(config(), open_dataset(region))
