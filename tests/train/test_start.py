"""`model.start`: a training that begins where another one ended, and what it refuses to begin with."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from geotune.config import build, flatten
from geotune.data.dataset import open_dataset
from geotune.errors import GeotuneError, SettingsError
from geotune.train.bundle import DESCRIPTION, WEIGHTS, load_bundle
from geotune.train.features import digest
from geotune.train.loop import train
from geotune.train.run import Run, build_model, training_split
from geotune.train.settings import TrainConfig
from geotune.train.start import begun

from .conftest import write

CELLS = {"model.head.name": "cells", "model.head.cells": 6, "model.frozen_layers": 5, "optim.lr": 1e-2}
RETRIEVAL = {"model.head.name": "retrieval", "model.head.hidden": 8, "model.frozen_layers": 5, "train.epochs": 1}


def trained(config, folder):
    """A folder with a model that was trained for a moment."""
    *_, epoch = train(config, folder / "made")
    epoch.export(folder / "model")
    return str(folder / "model")


@pytest.fixture
def model(config, tmp_path):
    return trained(config(**CELLS), tmp_path)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """Other photos of the same region."""
    return write(tmp_path_factory.mktemp("start") / "elsewhere", seed=1)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_it_begins_with_weights_cells_frame_and_standardisation(config, model, elsewhere):
    changed = config(**CELLS, **{"model.start": model, "data": str(elsewhere), "seed": 3})
    made = build_model(changed, open_dataset(elsewhere))
    its = load_bundle(model, "cpu").model
    assert same(made.state_dict(), its.state_dict())
    assert (made.geography, made.fitted) == (its.geography, its.fitted)
    tag = made.starting_weights["tag"]
    assert tag == f"model@{made.starting_weights['sha256'][:8]}"
    assert f"weights {tag}" in made.described()


def test_more_of_it_is_thawed_and_the_standardisation_stays(config, model, tmp_path):
    changes = CELLS | {
        "model.start": model,
        "model.frozen_layers": 3,
        "optim.backbone_lr_scale": 0.05,
        "train.epochs": 1,
    }
    (epoch,) = train(config(**changes), tmp_path / "more")
    epoch.export(tmp_path / "thawed")
    before, after = (load_bundle(folder, "cpu").model for folder in (model, tmp_path / "thawed"))
    assert same(before.head.standardise.state_dict(), after.head.standardise.state_dict())
    assert not same(before.head.logits.state_dict(), after.head.logits.state_dict())
    assert not same(before.backbone.state_dict(), after.backbone.state_dict())
    assert str(tmp_path) not in (tmp_path / "thawed" / DESCRIPTION).read_text()
    # what was trained of a backbone gives features of its own, what was not gives the same as before
    fresh = build_model(config(**CELLS), open_dataset(config().data))
    assert digest(before.backbone.state_dict()) == digest(fresh.backbone.state_dict())
    assert digest(after.backbone.state_dict()) != digest(fresh.backbone.state_dict())
    again = build_model(config(**CELLS, **{"model.start": str(tmp_path / "thawed")}), open_dataset(config().data))
    assert digest(again.backbone.state_dict()) == digest(after.backbone.state_dict())


def test_it_is_as_good_as_the_model_was(config, model, tmp_path):
    """With a learning rate of next to nothing, its first epoch measures the model that it began with."""
    changes = CELLS | {"model.start": model, "optim.lr": 1e-12, "train.epochs": 1, "train.clip": 1e-9}
    (epoch,) = train(config(**changes), tmp_path / "same")
    was = load_bundle(model, "cpu").metrics
    assert epoch.metrics["valid/median_m"] == pytest.approx(was["valid/median_m"], rel=1e-3)


@pytest.mark.parametrize("frozen", [5, 4, 0])
def test_it_goes_on_exactly_after_a_kill(config, model, tmp_path, frozen):
    changed = config(**CELLS | {"model.start": model, "model.frozen_layers": frozen, "train.epochs": 2})
    straight = [epoch.metrics["valid/loss"] for epoch in train(changed, tmp_path / "straight")]
    epochs = train(changed, tmp_path / "killed")
    next(epochs).save(tmp_path / "killed" / "checkpoint" / "1-1")
    epochs.close()
    moved = shutil.move(model, tmp_path / "moved")
    here = build(TrainConfig, flatten(changed) | {"model.start": str(moved)})
    gone_on = train(here, tmp_path / "killed", resume=tmp_path / "killed" / "checkpoint" / "1-1")
    assert [epoch.metrics["valid/loss"] for epoch in gone_on] == straight


def test_a_checkpoint_belongs_to_the_model_that_it_began_with(config, model, tmp_path):
    changed = config(**CELLS | {"model.start": model})
    epochs = train(changed, tmp_path / "run")
    checkpoint = tmp_path / "run" / "checkpoint" / "1-1"
    next(epochs).save(checkpoint)
    epochs.close()
    other = tmp_path / "other"
    other.mkdir()
    other = trained(config(**CELLS | {"optim.lr": 1e-3}), other)
    shutil.rmtree(model)
    shutil.copytree(other, model)
    with pytest.raises(GeotuneError, match=r"began with other weights \(SHA-256 [0-9a-f]{12}, here [0-9a-f]{12}\)"):
        next(train(changed, tmp_path / "run", resume=checkpoint))
    with pytest.raises(GeotuneError, match=r"began with other weights \(SHA-256 [0-9a-f]{12}, here none\)"):
        next(train(config(**CELLS), tmp_path / "run", resume=checkpoint))


def test_a_head_that_keeps_photos_keeps_the_new_ones(config, tmp_path, elsewhere):
    model = trained(config(**RETRIEVAL), tmp_path)
    changed = config(**RETRIEVAL | {"model.start": model, "data": str(elsewhere), "input.fraction": 0.5})
    run = Run(changed, tmp_path / "run")
    its = load_bundle(model, "cpu").model
    assert torch.equal(run.model.head.projection.weight, its.head.projection.weight)
    assert run.model.fitted["lat"] == training_split(changed, open_dataset(elsewhere)).lat.tolist()
    (epoch,) = train(changed, tmp_path / "run")
    assert epoch.metrics["valid/median_m"] > 0


def test_all_settings_that_differ_are_named_with_both_values_and_the_mend(config, model):
    changes = {"model.start": model, "model.features": "stages", "model.head.cells": 8, "model.head.hidden": 16}
    with pytest.raises(SettingsError) as error:
        build_model(config(**CELLS | changes | {"input.sizes": [32, 64]}), open_dataset(config().data))
    text = str(error.value)
    assert f"model.start={model}" in text
    for key, here, there in (("features", "stages", "last"), ("head.cells", "8", "6"), ("head.hidden", "16", "0")):
        assert f"{here} here, but {there} in the model of model.start: set model.{key}={there}" in text
    assert "[32, 64] here, but [32] in the model" in text
    with pytest.raises(SettingsError) as error:
        build_model(config(**{"model.start": model}), open_dataset(config().data))
    assert [key for key, _ in error.value.problems] == ["model.head.name"], "what follows from it is not told"


@pytest.mark.parametrize("changes", [{"model.head.dropout": 0.5}, {"model.head.smoothing": 2.0}, {"input.sizes": 48}])
def test_what_leaves_the_weights_as_they_are_may_differ(config, model, changes):
    made = build_model(config(**CELLS | changes | {"model.start": model}), open_dataset(config().data))
    assert same(made.state_dict(), load_bundle(model, "cpu").model.state_dict())


def test_another_backbone_and_weights_that_are_not_what_the_description_says(config, model):
    described = Path(model) / DESCRIPTION
    with pytest.raises(SettingsError, match="test_vit here, but test_resnet in the model"):
        build_model(
            config(**CELLS, **{"model.start": model, "model.backbone": "test_vit"}), open_dataset(config().data)
        )
    described.write_text(described.read_text().replace('"hidden": 0', '"hidden": 4'))
    with pytest.raises(GeotuneError, match="the model is damaged"):
        build_model(config(**CELLS, **{"model.start": model, "model.head.hidden": 4}), open_dataset(config().data))


@pytest.mark.parametrize(
    ("start", "text"),
    [
        ("winner", "model.start=winner: there is a winner in the full training of a search alone"),
        ("nowhere", "model.start=nowhere: no such folder"),
    ],
)
def test_no_model_there(config, start, text):
    with pytest.raises(GeotuneError, match=text):
        build_model(config(**{"model.start": start}), open_dataset(config().data))


def test_a_damaged_one(config, model):
    with (Path(model) / WEIGHTS).open("r+b") as file:
        file.truncate(500)
    with pytest.raises(GeotuneError, match="the model is damaged"):
        build_model(config(**CELLS, **{"model.start": model}), open_dataset(config().data))


def test_photos_that_lie_elsewhere(config, model, region, world):
    with pytest.raises(GeotuneError, match="a model of a region, but these photos are of the world"):
        build_model(config(**CELLS, **{"model.start": model, "data": str(world)}), open_dataset(world))
    photos = open_dataset(region).split("train")
    away = replace(photos, lat=photos.lat + 1)
    with pytest.raises(GeotuneError, match="most of these photos are 111 km from there"):
        begun(config(**CELLS, **{"model.start": model}), away, "region")


def test_the_folder_of_a_run_will_do(config, model, tmp_path):
    made = build_model(config(**CELLS, **{"model.start": str(tmp_path)}), open_dataset(config().data))
    assert same(made.state_dict(), load_bundle(model, "cpu").model.state_dict())
