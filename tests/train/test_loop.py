"""The main path: learning, exact resume, stopping, and what it refuses."""

import gzip
import itertools
import json
import logging
from pathlib import Path

import pytest
import torch

from geotune.errors import GeotuneError, SettingsError
from geotune.model.heads.base import Head
from geotune.train import loop
from geotune.train.bundle import load_bundle
from geotune.train.loop import train
from geotune.train.outcomes import Diverged
from geotune.train.progress import Progress
from geotune.train.run import Run

PHOTOS = {"optim.lr": 3e-3, "input.augment": "light"}
FEATURES = {"model.frozen_layers": 5, "optim.lr": 1e-2, "input.augment": "light", "input.views": 2}
CELLS = {"model.head.name": "cells", "model.head.cells": 8, "model.head.hidden": 8, "model.head.dropout": 0.2}


TIMES = ("train/seconds", "train/photos_per_second", "train/waiting", "train/peak_mb")


def without_times(metrics: dict) -> dict:
    return {name: v for name, v in metrics.items() if name not in TIMES}


def weights(run_epoch, folder: Path) -> dict[str, torch.Tensor]:
    run_epoch.export(folder)
    return load_bundle(folder, "cpu").model.state_dict()


@pytest.mark.parametrize(
    "path", [PHOTOS, FEATURES, {**PHOTOS, "model.frozen_layers": 3, "optim.lr": 1e-2}], ids=["photos", "head", "part"]
)
def test_it_learns_where_colours_are(config, tmp_path, path):
    epochs = list(train(config(**{**path, "train.epochs": 12}), tmp_path))
    first, last = epochs[0].metrics, epochs[-1].metrics
    assert [epoch.number for epoch in epochs] == list(range(1, 13))
    assert last["train/loss"] < 0.6 * first["train/loss"]
    best = min(epoch.metrics["valid/median_m"] for epoch in epochs)
    assert best < 0.8 * last["valid/baseline_m"]
    assert 0 <= last["valid/within_250m"] <= 1
    assert last["optim/lr"] < first["optim/lr"]


def test_a_world_is_measured_in_km(config, world, tmp_path):
    (epoch,) = train(config(data=str(world), **{"train.epochs": 1}), tmp_path)
    assert epoch.metrics["valid/median_km"] > 100
    assert "valid/median_m" not in epoch.metrics


@pytest.mark.parametrize("path", [PHOTOS, FEATURES, {**FEATURES, **CELLS}], ids=["photos", "head", "cells"])
def test_going_on_from_a_checkpoint_is_exact(config, tmp_path, path):
    settings = config(**path, **{"train.epochs": 4, "train.batch_size": 13})
    straight = list(train(settings, tmp_path / "a"))
    whole = weights(straight[-1], tmp_path / "a" / "model")
    run = train(settings, tmp_path / "b")
    for epoch in itertools.islice(run, 2):
        epoch.save(tmp_path / "b" / "checkpoint")
    run.close()
    torch.manual_seed(123)  # nothing outside may matter
    resumed = list(train(settings, tmp_path / "b", resume=tmp_path / "b" / "checkpoint"))
    assert [(epoch.number, epoch.replayed) for epoch in resumed] == [(1, True), (2, True), (3, False), (4, False)]
    for one, other in zip(straight, resumed, strict=True):
        assert without_times(one.metrics) == without_times(other.metrics)
        assert (one.best, one.best_epoch) == (other.best, other.best_epoch)
        assert without_times(one.best_metrics) == without_times(other.best_metrics)
    mended = weights(resumed[-1], tmp_path / "b" / "model")
    assert all(torch.equal(whole[name], mended[name]) for name in whole)


def test_a_run_that_had_ended_gives_its_epochs_again(config, tmp_path):
    settings = config(**FEATURES)
    epochs = list(train(settings, tmp_path))
    epochs[-1].save(tmp_path / "c")
    again = list(train(settings, tmp_path, resume=tmp_path / "c"))
    assert [epoch.metrics for epoch in again] == [epoch.metrics for epoch in epochs]
    assert all(epoch.replayed for epoch in again)
    again[0].save(tmp_path / "d")
    assert not (tmp_path / "d").exists()  # its checkpoint is the one before
    one, other = weights(epochs[-1], tmp_path / "m1"), weights(again[-1], tmp_path / "m2")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_checkpoint_of_other_settings_is_refused(config, tmp_path):
    (epoch,) = train(config(**FEATURES, **{"train.epochs": 1}), tmp_path)
    epoch.save(tmp_path / "c")
    with pytest.raises(GeotuneError, match="other settings"):
        next(train(config(**{**FEATURES, **CELLS}), tmp_path, resume=tmp_path / "c"))


def test_a_prediction_that_is_no_number_is_an_outcome(config, tmp_path, monkeypatch):
    outputs = Head.forward

    def broken(self, features):
        made = outputs(self, features)
        return made if self.training else {name: value * float("nan") for name, value in made.items()}

    monkeypatch.setattr(Head, "forward", broken)
    with pytest.raises(Diverged, match="a prediction for a validation photo is nan"):
        list(train(config(**FEATURES), tmp_path))


def test_patience_stops_and_the_best_epoch_is_exported(config, tmp_path):
    """A learning rate that only spoils: the first epoch is the best."""
    changes = {
        "optim.schedule": "constant",
        "optim.warmup": 0,
        "optim.lr": 0.5,
        "train.patience": 2,
        "train.epochs": 50,
    }
    epochs = list(train(config(**{**FEATURES, **changes}), tmp_path))
    values = [epoch.metrics["valid/median_m"] for epoch in epochs]
    best = values.index(min(values))
    assert len(epochs) < 50
    assert len(epochs) == best + 1 + 2
    assert [epoch.best for epoch in epochs][best:] == [True, False, False]
    epochs[-1].export(tmp_path / "model")
    bundle = load_bundle(tmp_path / "model", "cpu")
    assert bundle.metrics["valid/median_m"] == values[best]
    assert bundle.metrics["epoch"] == best + 1


def test_a_share_is_better_when_larger(config, tmp_path):
    epochs = list(train(config(**FEATURES, **{"train.select": "valid/within_250m", "train.epochs": 6}), tmp_path))
    best = 0.0
    for epoch in epochs:
        value = epoch.metrics["valid/within_250m"]
        assert epoch.best == (value > best or epoch.number == 1)
        best = max(best, value)


def test_exporting_does_not_disturb_the_training(config, tmp_path):
    settings = config(**PHOTOS)
    plain = [without_times(epoch.metrics) for epoch in train(settings, tmp_path)]
    exported = []
    for epoch in train(settings, tmp_path):
        epoch.export(tmp_path / "model")
        exported.append(without_times(epoch.metrics))
    assert plain == exported


def test_a_frozen_backbone_stays_as_it_was(config, tmp_path):
    run = Run(config(**{"model.frozen_layers": 3, "optim.lr": 0.1}), tmp_path)
    before = {name: tensor.clone() for name, tensor in run.model.backbone.state_dict().items()}
    loop._fit(run)
    run.begin_epoch()
    loop._train(run)
    frozen = {name for name, weight in run.model.backbone.named_parameters() if not weight.requires_grad}
    after = run.model.backbone.state_dict()
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert frozen
    assert not changed & frozen
    assert changed


def test_the_same_seed_gives_the_same_and_another_another(config, tmp_path):
    def losses(seed: int) -> list[float]:
        return [epoch.metrics["train/loss"] for epoch in train(config(**PHOTOS, seed=seed), tmp_path)]

    assert losses(1) == losses(1) != losses(2)


def test_progress_is_written(config, tmp_path, monkeypatch):
    monkeypatch.setattr("geotune.train.progress.EVERY_SECONDS", 0.0)
    stages = []
    report = Progress.report

    def seen(self, stage, step, steps):
        report(self, stage, step, steps)
        stages.append(json.loads((tmp_path / "progress.json").read_text()))

    monkeypatch.setattr(Progress, "report", seen)
    list(train(config(**{"train.epochs": 2, "input.sizes": 40}), tmp_path))
    assert {"features", "training", "validating"} <= {at["stage"] for at in stages}
    assert all(0 <= at["step"] <= at["steps"] and at["epochs"] == 2 for at in stages)
    assert {at["epoch"] for at in stages} == {0, 1, 2}
    assert not list(tmp_path.glob("*.tmp"))


def test_at_most_one_photo_too_many_is_left_out_of_an_epoch(config, tmp_path):
    """BatchNorm cannot train on a last batch of one photo."""
    run = Run(config(**{"train.batch_size": 59}), tmp_path)
    assert [len(index) for _, index in run.source.epoch(1)] == [59]
    run = Run(config(**{"train.batch_size": 16}), tmp_path)
    seen = sorted(i for _, index in run.source.epoch(1) for i in index.tolist())
    assert seen == list(range(60))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"train.select": "train/loss"}, "train.select.*expected a metric of the validation photos"),
        ({"train.select": "valid/medium"}, "did you mean valid/median"),
        ({"optim.name": "adamm"}, "optim.name.*did you mean"),
        ({"data": "/nowhere"}, "/nowhere: no such folder"),
        ({"model.backbone": "resnet81"}, "model.backbone=resnet81: timm has no such model"),
    ],
)
def test_mistakes(config, tmp_path, changes, problem):
    with pytest.raises((GeotuneError, SettingsError), match=problem):
        next(train(config(**changes), tmp_path))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there(config, tmp_path):
    with pytest.raises(GeotuneError, match=r"device=cuda: torch finds no such device here \(it has"):
        next(train(config(device="cuda"), tmp_path))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("precision", ["auto", "bfloat16", "float16", "float32"])
def test_on_a_gpu(config, tmp_path, precision):
    for path in (PHOTOS, FEATURES):
        epochs = list(train(config(**path, device="cuda", **{"train.precision": precision}), tmp_path))
        assert epochs[-1].metrics["train/loss"] < epochs[0].metrics["train/loss"]


def test_bfloat16_trains_too(config, tmp_path):
    epochs = list(train(config(**PHOTOS, **{"train.precision": "bfloat16", "train.epochs": 4}), tmp_path))
    assert epochs[-1].metrics["train/loss"] < epochs[0].metrics["train/loss"]


def test_ready_features_are_never_cut_into_micro_batches(config, tmp_path):
    run = Run(config(**FEATURES, **{"train.batch_size": 50, "train.micro_batch": 2}), tmp_path)
    assert [len(index) for _, index in run.source.epoch(1)] == [50, 10]
    assert len(list(run.source.micro.parts(50))) == 1


@pytest.mark.parametrize("frozen_layers", [0, 5])
def test_a_head_that_keeps_photos_has_them_after_every_epoch(config, tmp_path, frozen_layers):
    """So that its answers are those of the exported model, and of a run that goes on from a checkpoint."""
    chosen = {"model.head.name": "retrieval", "model.head.hidden": 8, "model.frozen_layers": frozen_layers}
    first, *_ = epochs = list(train(config(**chosen, **{"train.epochs": 2}), tmp_path / "a"))
    assert first.metrics["valid/median_m"] != first.metrics["valid/baseline_m"]
    epochs[-1].export(tmp_path / "model")
    memory = load_bundle(tmp_path / "model").model.head.memory
    assert memory.shape == (60, 8)
    assert torch.allclose(memory.float().norm(dim=-1), torch.ones(60), atol=1e-2)


def test_what_an_epoch_reports(config, tmp_path):
    first, _ = train(config(**PHOTOS, **{"train.epochs": 2}), tmp_path)
    assert {name for name in first.metrics if not name.startswith("valid/")} == {
        "train/loss",
        "train/coordinates",
        "train/geodesic",
        "train/seconds",
        "train/photos_per_second",
        "train/waiting",
        "train/peak_mb",
        "train/skipped",
        "optim/lr",
        "optim/backbone_lr",
    }
    assert first.metrics["optim/backbone_lr"] == pytest.approx(0.1 * first.metrics["optim/lr"])
    (frozen,) = train(config(**FEATURES, **{"train.epochs": 1}), tmp_path)
    assert "optim/backbone_lr" not in frozen.metrics


@pytest.mark.parametrize("batch", [16, 60])
def test_a_trace_of_the_first_steps(config, tmp_path, caplog, batch):
    settings = config(**FEATURES, **{"train.profile": True, "train.batch_size": batch, "train.epochs": 2})
    with caplog.at_level(logging.INFO, "geotune"):
        list(train(settings, tmp_path))
    with gzip.open(tmp_path / "trace.json.gz") as file:
        events = {event["name"] for event in json.load(file)["traceEvents"]}
    assert "aten::addmm" in events
    assert ("ProfilerStep#3" if batch == 16 else "ProfilerStep#0") in events
    traces = [message for message in caplog.messages if "trace" in message]
    assert traces == [f"trace of the first steps: {tmp_path}/trace.json.gz (open it in https://ui.perfetto.dev)"]
