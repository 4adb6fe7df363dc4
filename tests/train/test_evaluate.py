"""A model on a split."""

import numpy as np
import pytest

from geotune.data.dataset import open_dataset
from geotune.geo.metrics import summarise
from geotune.geo.sphere import distance_km
from geotune.train.bundle import load_bundle
from geotune.train.evaluate import evaluate
from geotune.train.loop import train


def trained(settings, folder):
    *_, epoch = train(settings, folder)
    epoch.export(folder / "model")
    return epoch, load_bundle(folder / "model", "cpu")


@pytest.mark.parametrize(
    "changes",
    [
        {"train.epochs": 1},
        {"model.frozen_layers": 5, "input.sizes": [32, 48], "train.epochs": 1},
        {"input.sizes": [32, 48], "train.epochs": 1},
        {"model.frozen_layers": 5, "model.head.name": "hybrid", "train.epochs": 1},
    ],
    ids=["photos", "features", "photos of two sizes", "hybrid"],
)
def test_it_measures_what_the_training_measured(config, region, tmp_path, changes):
    epoch, bundle = trained(config(**changes), tmp_path)
    found = evaluate(bundle.model, open_dataset(region).split("valid"))
    for name, value in found.metrics.items():
        assert value == pytest.approx(epoch.metrics[name], rel=5e-3, abs=1e-9), name


def test_errors_metrics_and_interval(config, region, tmp_path):
    _, bundle = trained(config(**{"model.frozen_layers": 5}), tmp_path)
    split = open_dataset(region).split("test")
    seen: list[tuple[int, int]] = []
    found = evaluate(bundle.model, split, lambda done, photos: seen.append((done, photos)))
    assert seen[-1] == (16, 16)
    assert np.allclose(found.errors_km, distance_km(split.lat, split.lon, found.lat, found.lon))
    assert found.metrics["test/median_m"] == summarise(found.errors_km, "region")["median_m"]
    geography = bundle.model.geography
    middle = distance_km(split.lat, split.lon, geography.lat_deg, geography.lon_deg)
    assert found.metrics["test/baseline_m"] == pytest.approx(1000 * np.median(middle))
    low, high = found.interval_km()
    assert low <= np.median(found.errors_km) <= high
    assert low < high
    whole = found.with_interval()
    assert whole["test/median_low_m"] == pytest.approx(1000 * low)
    assert whole["test/median_high_m"] == pytest.approx(1000 * high)
