"""What passes by the model: a share of the training photos, decoded as they are read."""

import numpy as np
import pytest
import torch

from geotune.data.cache.entries import entries
from geotune.data.cache.squares import square
from geotune.data.dataset import open_dataset
from geotune.train.bundle import load_bundle
from geotune.train.loop import train
from geotune.train.run import Run


@pytest.mark.parametrize("frozen", [0, 5])
def test_a_share_of_the_training_photos(config, region, tmp_path, frozen):
    """`input.fraction` cuts down what is trained on, never what is held out; of a frozen backbone's features too."""
    settings = config(**{"input.fraction": 0.25, "train.batch_size": 4, "model.frozen_layers": frozen})
    run = Run(settings, tmp_path)
    assert run.source.stretches.photos == 15
    assert run.source.stretches.steps == 4
    assert {len(target) for target in run.targets.values()} == {15}
    assert sorted(i for _, index in run.source.epoch(1) for i in index.tolist()) == list(range(15))
    assert sum(len(index) for _, index in run.source.valid()) == 16


def test_the_share_is_of_the_photos_themselves(config, region, tmp_path):
    chosen = open_dataset(region).split("train").subset(0.25)
    run = Run(config(**{"input.fraction": 0.25, "train.batch_size": 4}), tmp_path)
    for inputs, index in run.source.epoch(1):
        for photo, i in zip(inputs, index.tolist(), strict=True):
            assert np.array_equal(photo.numpy(), square(chosen.photo(i), 32))


def test_features_of_a_share_are_those_of_the_whole(config, region, tmp_path):
    whole = Run(config(**{"model.frozen_layers": 5}), tmp_path)
    part = Run(config(**{"model.frozen_layers": 5, "input.fraction": 0.25}), tmp_path)
    rows = open_dataset(region).split("train").subset(0.25).rows
    expected = np.concatenate([x.numpy() for x in whole.source.sample()])[rows]
    assert np.allclose(np.concatenate([x.numpy() for x in part.source.sample()]), expected, atol=1e-2)


def test_the_model_says_how_many_it_was_trained_on(config, tmp_path):
    (epoch,) = train(config(**{"input.fraction": 0.25, "train.epochs": 1}), tmp_path / "work")
    epoch.export(tmp_path / "model")
    assert load_bundle(tmp_path / "model").dataset["photos"] == {"train": 15, "valid": 16, "test": 16}


def test_nothing_is_decoded_before_it_is_read(config, tmp_path, monkeypatch):
    monkeypatch.setenv("GEOTUNE_CACHE", str(tmp_path / "cache"))
    run = Run(config(), tmp_path)
    assert {entry.about["split"]: entry.filled for entry in entries()} == {"train": 0.0, "valid": 0.0}
    list(run.source.epoch(1))
    assert {entry.about["split"]: entry.filled for entry in entries()} == {"train": 1.0, "valid": 0.0}


@pytest.mark.parametrize("frozen", [0, 5])
def test_an_epoch_of_some_photos_gives_what_its_passes_would_have(config, tmp_path, frozen):
    """Each photo in the variation of its pass, also where a batch holds photos of two passes."""
    path = {"input.augment": "light", "input.views": 3, "model.frozen_layers": frozen}
    whole = Run(config(**path), tmp_path).source
    passes = [inputs for number in (1, 2) for inputs, _ in whole.epoch(number)]
    part = Run(config(**path, **{"train.epoch_photos": 40}), tmp_path).source
    batches = [batch for number in (1, 2, 3) for batch in part.epoch(number)]
    assert [len(index) for _, index in batches] == [16, 16, 8] * 3
    assert torch.equal(torch.cat([inputs for inputs, _ in batches]), torch.cat(passes))


@pytest.mark.parametrize("frozen", [0, 5])
def test_an_epoch_goes_on_from_any_batch(config, tmp_path, frozen, monkeypatch):
    monkeypatch.setattr("geotune.train.source.BLOCK", 32)
    path = {"input.augment": "light", "model.frozen_layers": frozen, "train.epoch_photos": 50, "train.batch_size": 8}
    source = Run(config(**path), tmp_path).source
    whole = list(source.epoch(2))
    for start in (1, 4, 6, 7):
        rest = list(source.epoch(2, start))
        assert len(rest) == 7 - start
        for one, other in zip(whole[start:], rest, strict=True):
            assert torch.equal(one[0], other[0])
            assert torch.equal(one[1], other[1])


def test_some_validation_photos_are_the_same_for_every_trial(config, region, tmp_path):
    few = {"train.valid_photos": 5}
    one = Run(config(**few, seed=1), tmp_path)
    other = Run(config(**few, seed=2, **{"model.frozen_layers": 5}), tmp_path)
    assert len(one.valid_split) == 5
    assert list(one.valid_split.ids) == list(other.valid_split.ids)
    assert set(one.valid_split.ids) < set(open_dataset(region).split("valid").ids)
    assert sum(len(index) for _, index in other.source.valid()) == 5
    assert len(Run(config(**{"train.valid_photos": 99}), tmp_path).valid_split) == 16
