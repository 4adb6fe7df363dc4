"""The nearest training photo by features."""

import numpy as np
import pytest

from geotune.data.dataset import open_dataset
from geotune.geo.sphere import distance_km
from geotune.train.bundle import load_bundle
from geotune.train.loop import train
from geotune.train.neighbours import nearest_photo_km


@pytest.mark.parametrize("sizes", [32, [32, 48]])
def test_it_is_the_place_of_the_most_similar_photo(config, region, tmp_path, sizes):
    settings = config(**{"model.frozen_layers": 5, "input.sizes": sizes, "train.epochs": 1})
    *_, epoch = train(settings, tmp_path)
    epoch.export(tmp_path / "model")
    bundle, dataset = load_bundle(tmp_path / "model", "cpu"), open_dataset(region)
    split, training = dataset.split("test"), dataset.split("train")
    found = nearest_photo_km(bundle, dataset, split, training)
    assert found.shape == (16,)
    nearest = distance_km(split.lat[:, None], split.lon[:, None], training.lat, training.lon)
    assert (found >= nearest.min(axis=1) - 1e-9).all()
    assert np.isclose(found[:, None], nearest).any(axis=1).all()  # always a training place
    # Colours tell the place, so that even a random backbone's features find one far nearer than chance.
    assert np.median(found) < 0.7 * np.median(nearest)
    assert (nearest_photo_km(bundle, dataset, training, training) < 1e-9).all()


def test_a_tuned_backbone_and_a_share_of_the_photos(config, region, tmp_path):
    *_, epoch = train(config(**{"train.epochs": 1}), tmp_path)
    epoch.export(tmp_path / "model")
    bundle, dataset = load_bundle(tmp_path / "model", "cpu"), open_dataset(region)
    training = dataset.split("train").subset(0.2)
    split = dataset.split("test")
    nearest = distance_km(split.lat[:, None], split.lon[:, None], training.lat, training.lon)
    found = nearest_photo_km(bundle, dataset, split, training)
    assert np.isclose(found[:, None], nearest).any(axis=1).all()
