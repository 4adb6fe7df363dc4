"""Fixed views of photos: what is frozen sees each once, and training comes to the same numbers as without that."""

import logging
import re

import numpy as np
import pytest
import torch

from geotune.data.augment import augment
from geotune.data.cache.entries import entries
from geotune.data.cache.squares import decoded
from geotune.data.dataset import open_dataset
from geotune.data.loader import photo_seeds
from geotune.model.cut import Cut, cut
from geotune.train import run as running
from geotune.train.features import VIEW_SEED
from geotune.train.loop import train
from geotune.train.partly import PartlySource, Parts, PartStore, ViewSource
from geotune.train.progress import Progress
from geotune.train.run import Run, build_model
from geotune.train.source import FeatureSource, PhotoSource, tensors

PARTLY = {"model.frozen_layers": 4, "input.augment": "light", "input.views": 3}


@pytest.fixture
def fronts(monkeypatch):
    """How many photos have passed what is frozen, past the trial of the cut."""
    seen: list[int] = []
    front = Cut.front

    def counted(self, images):
        seen.extend([len(images)] * (len(images) > 2))
        return front(self, images)

    monkeypatch.setattr(Cut, "front", counted)
    return seen


class Naive(PhotoSource):
    """Photos in the same views through the whole model, in every epoch anew; nothing is shared with what is tested."""

    def epoch(self, number, start=0):
        chosen, passes = self.stretches.of(number)
        settings = self.config.input
        views = self.stretches.views(settings.views, chosen, passes)
        photos = np.stack([self._view(i, v) for i, v in zip(chosen.tolist(), views.tolist(), strict=True)])
        size = self.config.train.batch_size
        return tensors((photos[k : k + size], chosen[k : k + size]) for k in range(0, len(chosen), size))

    def _view(self, i, view):
        photo = self._train[np.array([i])]
        if view == 0:
            return photo[0]
        out = np.empty_like(photo)
        augment(photo, self.config.input.augmentation, photo_seeds(np.array([i]), VIEW_SEED, view), out)
        return out[0]


@pytest.fixture
def naively(monkeypatch):
    """From then on runs see photos through the whole model."""

    def opened(model, train, valid, *, config, progress, precision):
        return Naive(model, train, valid, config, progress)

    return lambda: monkeypatch.setattr(running, "open_source", opened)


CASES = [
    {"model.frozen_layers": 5},
    {"model.frozen_layers": 4},
    {"model.frozen_layers": 4, "model.features": "stages", "input.sizes": [32, 40]},
    {"model.frozen_layers": 4, "model.backbone": "test_vit", "input.sizes": 160},
]


@pytest.mark.parametrize("changes", CASES)
def test_training_comes_to_the_same_numbers(config, tmp_path, naively, changes):
    """As with the same fixed views through the whole model, but for the rounding to float16."""
    settings = config(**{**PARTLY, "train.epochs": 2, **changes})
    ours = [epoch.metrics for epoch in train(settings, tmp_path / "ours")]
    assert isinstance(Run(settings, tmp_path).source, FeatureSource | PartlySource)
    naively()
    theirs = [epoch.metrics for epoch in train(settings, tmp_path / "theirs")]
    for our, their in zip(ours, theirs, strict=True):
        for name in ("train/loss", "valid/loss", "valid/median_m"):
            assert our[name] == pytest.approx(their[name], rel=1e-3), name


def test_the_features_are_the_models_own(config, region, tmp_path):
    run = Run(config(**PARTLY, **{"model.features": "stages"}), tmp_path)
    photos = decoded(open_dataset(region).split("valid"), 32)
    run.model.eval()
    with torch.no_grad():
        expected = run.model(torch.from_numpy(np.array(photos)))
        ((rows, index),) = run.source.valid()
        found = run.source.outputs(rows)
    assert rows.dtype == torch.float16
    assert index.tolist() == list(range(16))
    for name, values in expected.items():
        assert torch.allclose(found[name], values, rtol=1e-2, atol=1e-2 * float(values.abs().max())), name


def test_what_is_frozen_sees_each_view_once(config, tmp_path, fronts):
    settings = config(**PARTLY, **{"input.sizes": 36})
    list(train(settings, tmp_path / "one"))
    assert sum(fronts) == 3 * 60 + 16
    fronts.clear()
    list(train(config(**PARTLY, **{"input.sizes": 36, "model.head.name": "cells", "optim.lr": 0.1}), tmp_path / "two"))
    assert not fronts


def test_what_is_trained_does_not_name_them(config, region):
    settings, split = config(**PARTLY), open_dataset(region).split("train")

    def folder(change):
        model = build_model(settings, open_dataset(region))
        change(model.backbone.net)
        parts = Parts(model, cut(model.backbone, [32]))
        return PartStore(parts, settings, Progress(None, 1), "float32").folder(split, 32, 1)

    first = folder(lambda net: None)
    assert folder(lambda net: net.layer4[0].conv1.weight.detach().zero_()) == first
    assert folder(lambda net: net.layer4[0].bn1.running_mean.fill_(3)) == first
    assert folder(lambda net: net.layer3[0].conv1.weight.detach().zero_()) != first
    assert folder(lambda net: net.layer3[0].bn1.running_mean.fill_(3)) != first


@pytest.mark.parametrize("changes", [{}, {"model.features": "stages", "input.sizes": [32, 40]}])
def test_without_room_the_numbers_are_the_same(config, tmp_path, monkeypatch, caplog, changes):
    settings = config(**{**PARTLY, "train.epochs": 2, **changes})
    stored = [epoch.metrics for epoch in train(settings, tmp_path / "stored")]
    monkeypatch.setenv("GEOTUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GEOTUNE_CACHE_LIMIT", "0.1MB")
    with caplog.at_level(logging.WARNING):
        assert isinstance(Run(settings, tmp_path).source, ViewSource)
        anew = [epoch.metrics for epoch in train(settings, tmp_path / "anew")]
    assert re.search(r"test_resnet is computed anew in every epoch: the cache has no room for [01]\.\d MB", caplog.text)
    assert not [entry for entry in entries() if entry.about["what"] == "features"]
    for one, other in zip(stored, anew, strict=True):
        assert one["train/loss"] == pytest.approx(other["train/loss"], rel=1e-4)
        assert one["valid/loss"] == pytest.approx(other["valid/loss"], rel=1e-4)


@pytest.mark.parametrize("frozen", [4, 5])
def test_new_views_in_every_pass(config, tmp_path, frozen):
    """`input.views=0`: photos, whatever is frozen."""
    settings = config(**{**PARTLY, "model.frozen_layers": frozen, "input.views": 0, "train.epochs": 1})
    run = Run(settings, tmp_path)
    assert type(run.source) is PhotoSource
    first, second = (torch.cat([photos for photos, _ in run.source.epoch(k)]) for k in (1, 2))
    assert first.float().mean() != second.float().mean()
    (epoch,) = train(settings, tmp_path)
    assert epoch.metrics["train/loss"] > 0


def test_less_frozen_is_not_stored(config, tmp_path):
    assert type(Run(config(**{**PARTLY, "model.frozen_layers": 3}), tmp_path).source) is PhotoSource


def test_an_epoch_begins_at_any_batch(config, tmp_path, monkeypatch):
    """Of stored rows and of views of photos alike."""
    settings = config(**PARTLY)
    stored = Run(settings, tmp_path).source
    monkeypatch.setenv("GEOTUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GEOTUNE_CACHE_LIMIT", "0.1MB")
    for source in (stored, Run(settings, tmp_path).source):
        whole, rest = list(source.epoch(2)), list(source.epoch(2, 2))
        assert len(rest) == len(whole) - 2
        for (inputs, index), (later, later_index) in zip(whole[2:], rest, strict=True):
            assert torch.equal(inputs, later)
            assert torch.equal(index, later_index)


def test_a_resumed_run_goes_on_as_if_never_stopped(config, tmp_path):
    settings = config(**PARTLY)
    whole = [epoch.metrics for epoch in train(settings, tmp_path / "whole")]
    first = next(train(settings, tmp_path / "first"))
    first.save(tmp_path / "checkpoint")
    rest = [epoch.metrics for epoch in train(settings, tmp_path / "rest", resume=tmp_path / "checkpoint")]
    for name in ("train/loss", "valid/loss", "valid/median_m"):
        assert [one[name] for one in whole] == [one[name] for one in rest]
