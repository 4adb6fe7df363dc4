"""Epochs as stretches of the sequence of passes: no gap, nothing twice, and one pass an epoch as ever."""

import numpy as np
import pytest

from geotune.config import build
from geotune.data.loader import order
from geotune.errors import SettingsError
from geotune.train import ranks
from geotune.train.position import MOST, stretches
from geotune.train.settings import TrainConfig


def of(available: int, batch: int = 16, photos: int | str = "auto", seed: int = 0, **more):
    config = build(TrainConfig, {"train.batch_size": batch, "train.epoch_photos": photos, "seed": seed})
    return stretches(available, config, **more)


def test_by_default_an_epoch_is_a_pass():
    epochs = of(60, seed=7)
    assert (epochs.photos, epochs.steps) == (60, 4)
    for number in (1, 2, 9):
        chosen, passes = epochs.of(number)
        assert np.array_equal(chosen, order(60, 7, number))
        assert (passes == number).all()


@pytest.mark.parametrize("photos", [1, 7, 59, 60, 61, 150])
def test_epochs_of_any_length_give_one_sequence_without_gaps(photos):
    epochs = of(60, photos=photos)
    count = -(-200 // photos)
    sequence = [np.stack(epochs.of(number)) for number in range(1, count + 1)]
    assert all(part.shape == (2, photos) for part in sequence)
    passes = np.stack([np.stack([order(60, 0, k), np.full(60, k)]) for k in range(1, 9)])
    expected = np.concatenate(list(passes), axis=1)[:, : count * photos]
    assert np.array_equal(np.concatenate(sequence, axis=1), expected)


def test_a_long_pass_is_cut():
    epochs = of(MOST + 5)
    assert epochs.photos == MOST
    chosen, passes = epochs.of(2)
    assert np.bincount(passes).tolist() == [0, 5, MOST - 5]
    assert np.array_equal(chosen[:5], order(MOST + 5, 0, 1)[MOST:])


def test_never_a_batch_of_one_where_an_epoch_is_a_pass():
    """Another photo is left out in every pass."""
    epochs = of(60, batch=59, never_one=True)
    assert (epochs.photos, epochs.steps) == (59, 1)
    for number in (1, 2):
        assert np.array_equal(epochs.of(number)[0], order(60, 0, number)[:59])
    assert of(60, batch=59).photos == 60


def test_never_a_batch_of_one_where_it_is_not():
    """The next epoch takes it, so that none is left out."""
    epochs = of(60, batch=16, photos=33, never_one=True)
    assert (epochs.photos, epochs.steps) == (32, 2)
    first, second = epochs.of(1)[0], epochs.of(2)[0]
    assert sorted([*first, *second[:28]]) == list(range(60))


def test_a_single_photo_stays():
    assert of(1, never_one=True).photos == 1


def test_processes_share_every_batch(monkeypatch):
    alone = of(75)
    assert [alone.batch_photos(step) for step in range(alone.steps)] == [16, 16, 16, 16, 11]
    parts = []
    for rank in range(4):
        monkeypatch.setattr(ranks, "rank", lambda rank=rank: rank)
        monkeypatch.setattr(ranks, "size", lambda: 4)
        epochs = of(75)
        assert (epochs.photos, epochs.steps) == (75, 5)
        parts.append(epochs.of(2)[0])
    monkeypatch.undo()
    whole = alone.of(2)[0]
    for step in range(4):
        together = np.concatenate([part[4 * step : 4 * step + 4] for part in parts])
        assert np.array_equal(together, whole[16 * step : 16 * step + 16])
    assert np.array_equal(np.concatenate([part[16:] for part in parts]), whole[64:])


def test_a_last_batch_that_leaves_some_process_without_photos_is_left_out(monkeypatch):
    monkeypatch.setattr(ranks, "size", lambda: 4)
    assert of(67).photos == 64
    assert of(68).photos == 68
    assert of(71, never_one=True).photos == 64, "BatchNorm needs two photos each"
    assert of(72, never_one=True).photos == 72
    with pytest.raises(SettingsError, match="4 processes that train together cannot share"):
        of(72, batch=18)
