"""The exported model: the same answers after loading, clear words about what is broken, nothing executed."""

import json
import os

import pytest
import torch

from geotune.data.dataset import open_dataset
from geotune.errors import GeotuneError
from geotune.train.bundle import CARD, DESCRIPTION, WEIGHTS, add_metrics, load_bundle, save_bundle
from geotune.train.evaluate import evaluate
from geotune.train.loop import train

from .conftest import jpeg

FROZEN = {"model.frozen_layers": 5, "optim.lr": 1e-2}


@pytest.fixture
def model(config, tmp_path):
    """A folder with a model that was trained for a moment."""
    *_, epoch = train(config(**FROZEN, **{"model.head.name": "cells", "model.head.cells": 6}), tmp_path)
    epoch.export(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def photos(tmp_path):
    """Two photos from opposite corners, a text file named .jpg between them, and one that does not exist."""
    import numpy as np

    rng = np.random.default_rng(0)
    (tmp_path / "south.jpg").write_bytes(jpeg(0.1, 0.1, rng, 100))
    (tmp_path / "north.jpg").write_bytes(jpeg(0.9, 0.9, rng, 60))
    (tmp_path / "bad.jpg").write_text("not a JPEG")
    return [tmp_path / name for name in ("south.jpg", "bad.jpg", "north.jpg", "missing.jpg")]


def test_what_is_in_the_folder(model, region):
    assert sorted(path.name for path in model.iterdir()) == [CARD, DESCRIPTION, WEIGHTS]
    text = (model / DESCRIPTION).read_text()
    assert str(region) not in text  # nobody learns a path of the machine that it was trained on
    about = json.loads(text)
    assert about["dataset"]["name"] == "colours"
    assert about["dataset"]["photos"] == {"train": 60, "valid": 16, "test": 16}
    assert about["metrics"]["valid/median_m"] > 0


def test_the_card_says_what_it_is(model):
    text = (model / CARD).read_text()
    for words in (
        "colours",
        "test_resnet",
        "median error",
        "baseline",
        "within 250 m",
        "not for",
        "How well does it do at new spots?",
    ):
        assert words in text
    assert "| | valid |" in text


def test_predictions_keep_their_order_and_name_what_is_broken(model, photos):
    south, bad, north, missing = load_bundle(model, "cpu").predict(photos)
    assert [p.path.name for p in (south, bad, north, missing)] == ["south.jpg", "bad.jpg", "north.jpg", "missing.jpg"]
    assert 51.7 < south.lat < north.lat < 51.8
    assert south.lon < north.lon
    assert 0 < south.confidence <= 1
    assert bad.problem == "not a picture that can be decoded"
    assert missing.problem == "No such file or directory"
    assert bad.lat != bad.lat
    assert not south.problem


def test_more_photos_than_fit_at_once(model, photos):
    bundle = load_bundle(model, "cpu")
    many = bundle.predict([photos[0]] * 33 + [photos[2]])
    assert len(many) == 34
    assert many[0].lat == pytest.approx(many[32].lat, abs=1e-9)
    assert many[33].lat == pytest.approx(bundle.predict([photos[2]])[0].lat, abs=1e-7)


def test_a_loaded_model_saved_again_is_the_same(model, tmp_path, region):
    one = load_bundle(model, "cpu")
    save_bundle(tmp_path / "again", one.model, one.config, one.metrics, one.dataset)
    other = load_bundle(tmp_path / "again", "cpu")
    assert other.metrics == one.metrics
    assert other.dataset == one.dataset
    split = open_dataset(region).split("test")
    assert (evaluate(one.model, split).errors_km == evaluate(other.model, split).errors_km).all()


def test_test_metrics_are_added(model):
    add_metrics(model, {"test/median_m": 57.4, "test/median_low_m": 50.0, "test/median_high_m": 66.0})
    bundle = load_bundle(model, "cpu")
    assert bundle.metrics["test/median_m"] == 57.4
    assert bundle.metrics["valid/median_m"] > 0
    text = (model / CARD).read_text()
    assert "| | test | valid |" in text
    assert "| median error | 57 m | " in text
    assert "| median, 95 % from | 50 m |  |" in text


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda m: os.truncate(m / WEIGHTS, 1000), "the model is damaged"),
        (lambda m: (m / WEIGHTS).unlink(), "the model is damaged"),
        (lambda m: (m / DESCRIPTION).write_text("{"), "the model is damaged"),
        (lambda m: (m / DESCRIPTION).write_text('{"format": 1}'), "the model is damaged"),
        (lambda m: (m / DESCRIPTION).write_text('{"format": 99}'), "written by a newer geotune"),
        (lambda m: (m / DESCRIPTION).unlink(), "no model"),
    ],
)
def test_damage(model, damage, problem):
    damage(model)
    with pytest.raises(GeotuneError, match=problem):
        load_bundle(model)


def test_weights_of_another_model(model):
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(3)}, model / WEIGHTS)
    with pytest.raises(GeotuneError, match="the model is damaged"):
        load_bundle(model)


def test_no_such_folder(tmp_path):
    with pytest.raises(GeotuneError, match="no such folder"):
        load_bundle(tmp_path / "nothing")
