"""A model on a split."""

import numpy as np
import pytest

from geotune.data.dataset import open_dataset
from geotune.geo.countries import country_codes
from geotune.geo.metrics import measures, metric_names
from geotune.geo.sphere import distance_km
from geotune.geo.stats import bootstrap_interval
from geotune.train.bundle import load_bundle
from geotune.train.evaluate import evaluate, photo_sizes
from geotune.train.loop import train
from geotune.train.run import build_model


def trained(settings, folder):
    *_, epoch = train(settings, folder)
    epoch.export(folder / "model")
    return epoch, load_bundle(folder / "model", "cpu")


@pytest.mark.parametrize(
    "changes",
    [
        {"train.epochs": 1},
        {"model.frozen_layers": 5, "input.sizes": [32, 48], "train.epochs": 1},
        {"model.frozen_layers": 5, "input.sizes": [32, 48], "input.views": 0, "train.epochs": 1},
        {"model.frozen_layers": 4, "input.sizes": [32, 48], "train.epochs": 1},
        {"input.sizes": [32, 48], "train.epochs": 1},
        {"model.frozen_layers": 5, "model.head.name": "hybrid", "train.epochs": 1},
    ],
    ids=["photos", "features", "photos, all frozen", "partly frozen", "photos of two sizes", "hybrid"],
)
def test_it_measures_what_the_training_measured(config, region, tmp_path, changes):
    epoch, bundle = trained(config(**changes), tmp_path)
    found = evaluate(bundle.model, open_dataset(region).split("valid"))
    of_an_epoch = {f"valid/{name}" for name in metric_names("region")}
    assert of_an_epoch <= set(found.metrics)
    for name in of_an_epoch:
        assert found.metrics[name] == pytest.approx(epoch.metrics[name], rel=5e-3, abs=1e-9), name


@pytest.mark.parametrize(("frozen", "views", "sizes"), [(5, 4, [32, 48]), (5, 0, [48]), (4, 4, [48]), (0, 4, [48])])
def test_it_is_shown_what_the_training_saw(config, region, frozen, views, sizes):
    settings = config(**{"model.frozen_layers": frozen, "input.views": views, "input.sizes": [32, 48]})
    assert photo_sizes(build_model(settings, open_dataset(region))) == sizes


def test_errors_metrics_and_interval(config, region, tmp_path):
    _, bundle = trained(config(**{"model.frozen_layers": 5}), tmp_path)
    split = open_dataset(region).split("test")
    seen: list[tuple[int, int]] = []
    found = evaluate(bundle.model, split, on_photos=lambda done, photos: seen.append((done, photos)))
    assert seen[-1] == (16, 16)
    assert np.allclose(found.errors_km, distance_km(split.lat, split.lon, found.lat, found.lon))
    assert found.metrics["test/median_m"] == measures(found.errors_km, "region")["median_m"].value()
    geography = bundle.model.geography
    middle = distance_km(split.lat, split.lon, geography.lat_deg, geography.lon_deg)
    assert found.metrics["test/baseline_m"] == pytest.approx(1000 * np.median(middle))
    assert found.intervals.keys() == found.metrics.keys()
    for name, (low, high) in found.intervals.items():
        assert low <= found.metrics[name] <= high, name
    low, high = found.intervals["test/median_m"]
    assert low < high
    assert (low / 1000, high / 1000) == pytest.approx(bootstrap_interval(found.errors_km, found.place))
    whole = found.with_interval()
    assert (whole["test/median_low_m"], whole["test/median_high_m"]) == (low, high)


def test_baselines_of_the_training_places(config, region, tmp_path):
    _, bundle = trained(config(**{"model.frozen_layers": 5, "train.epochs": 1}), tmp_path)
    dataset = open_dataset(region)
    split, training = dataset.split("test"), dataset.split("train")
    without = evaluate(bundle.model, split).metrics
    found = evaluate(bundle.model, split, training).metrics
    assert found.keys() - without.keys() == {"test/mean_place_m", "test/nearest_place_m"}
    assert found["test/nearest_place_m"] < found["test/mean_place_m"]
    nearest = [
        distance_km(training.lat, training.lon, *place).min() for place in zip(split.lat, split.lon, strict=True)
    ]
    assert found["test/nearest_place_m"] == pytest.approx(1000 * np.median(nearest))
    own = evaluate(bundle.model, training, training).metrics
    assert "train/nearest_place_m" not in own  # every photo is its own nearest


@pytest.mark.parametrize("head", ["cells", "hybrid"])
def test_right_cells_and_their_floor(config, region, tmp_path, head):
    changes = {"model.frozen_layers": 5, "model.head.name": head, "model.head.cells": 8, "optim.lr": 1e-2}
    _, bundle = trained(config(**changes, **{"train.epochs": 20}), tmp_path)
    split = open_dataset(region).split("train")
    found = evaluate(bundle.model, split).metrics
    assert 0.3 < found["train/cell_top1"] <= found["train/cell_top5"] <= 1
    partition = bundle.model.head.partition
    own = partition.assign(split.lat, split.lon)
    errors = distance_km(split.lat, split.lon, partition.centres_lat[own], partition.centres_lon[own])
    assert found["train/floor_m"] == pytest.approx(1000 * np.median(errors))


def test_the_world_has_countries_and_points(config, world, tmp_path):
    _, bundle = trained(config(**{"data": str(world), "model.frozen_layers": 5, "train.epochs": 1}), tmp_path)
    split = open_dataset(world).split("test")
    found = evaluate(bundle.model, split)
    own, answered = country_codes(split.lat, split.lon), country_codes(found.lat, found.lon)
    assert found.metrics["test/country"] == np.mean((own == answered)[own != ""])
    assert found.metrics["test/geoscore"] == pytest.approx(np.mean(5000 * np.exp(-found.errors_km / 1492.7)))


def test_two_models_on_the_same_photos(config, region, tmp_path):
    split = open_dataset(region).split("train")
    cells = {"model.frozen_layers": 5, "model.head.name": "cells", "optim.lr": 1e-2}
    learnt, idle = (
        evaluate(trained(config(**cells, **{"train.epochs": epochs}), tmp_path / str(epochs))[1].model, split)
        for epochs in (25, 1)
    )
    assert learnt.against(idle, "mean").verdict == "better"
    assert idle.against(learnt, "mean").verdict == "worse"
    assert learnt.against(learnt).verdict == "noise"
    with pytest.raises(ValueError, match="errors of one model"):
        learnt.against(evaluate(trained(config(), tmp_path)[1].model, open_dataset(region).split("test")))
