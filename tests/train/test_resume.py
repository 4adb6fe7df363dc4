"""Where a training goes on: mid-epoch, the checkpoint before a damaged one, and what is refused."""

import json
import logging
from pathlib import Path

import pytest
import timm
import torch

from geotune.errors import GeotuneError
from geotune.train import checkpoint, loop
from geotune.train.kept import PARTIAL, kept
from geotune.train.loop import train
from geotune.train.run import Run

PHOTOS = {"optim.lr": 3e-3, "input.augment": "light"}
FEATURES = {"model.frozen_layers": 5, "optim.lr": 1e-2, "input.augment": "light", "input.views": 2}
CELLS = {"model.head.name": "cells", "model.head.cells": 8}
TIMES = ("train/seconds", "train/photos_per_second", "train/waiting", "train/peak_mb")


class Killed(Exception):  # noqa: N818 - no error
    """The process is no more."""


def told(epochs) -> list[dict]:
    return [{name: value for name, value in epoch.metrics.items() if name not in TIMES} for epoch in epochs]


def train_and_save(config, folder: Path, resume: Path | None = None) -> list:
    epochs = []
    for epoch in train(config, folder, resume=resume):
        epoch.save(folder / "checkpoint" / f"1-{epoch.number}")
        epochs.append(epoch)
    return epochs


def killed_in_step(monkeypatch, number: int, config, folder: Path) -> None:
    """Train until that step of the run, with a checkpoint after every step."""
    calls = iter(range(1, 1000))
    with monkeypatch.context() as patch:
        take = loop.take

        def mortal(*arguments):
            if next(calls) == number:
                raise Killed
            return take(*arguments)

        patch.setattr(loop, "take", mortal)
        patch.setattr(loop, "PARTIAL_SECONDS", -1.0)
        with pytest.raises(Killed):
            train_and_save(config, folder)


def damage(folder: Path) -> None:
    tensors = folder / checkpoint.TENSORS
    tensors.write_bytes(tensors.read_bytes()[:-7])


@pytest.mark.parametrize("path", [PHOTOS, FEATURES], ids=["photos", "head"])
def test_it_goes_on_in_mid_epoch(config, tmp_path, monkeypatch, caplog, path):
    settings = config(**path)
    straight = told(train_and_save(settings, tmp_path / "a"))
    killed_in_step(monkeypatch, 8, settings, tmp_path / "b")
    (partial,) = kept(tmp_path / "b" / PARTIAL)
    assert partial.name == "3-2"
    taken, take = [], loop.take
    monkeypatch.setattr(loop, "take", lambda *a: taken.append(a[3]) or take(*a))
    torch.manual_seed(123)  # nothing outside may matter
    with caplog.at_level(logging.INFO, "geotune"):
        resumed = train_and_save(settings, tmp_path / "b", resume=tmp_path / "b" / "checkpoint" / "1-1")
    assert taken == [7, 8, 9, 10, 11]
    assert told(resumed) == straight
    assert [epoch.replayed for epoch in resumed] == [True, False, False]
    assert f"going on from {partial}: 1 of 3 epochs are done, and 3 of 4 steps of the next" in caplog.messages
    assert not (tmp_path / "b" / PARTIAL).exists()


def test_mid_epoch_stands_in_for_damaged_checkpoints(config, tmp_path, monkeypatch):
    settings = config(**FEATURES)
    straight = told(train_and_save(settings, tmp_path / "a"))
    killed_in_step(monkeypatch, 8, settings, tmp_path / "b")
    resume = tmp_path / "b" / "checkpoint" / "1-1"
    damage(resume)
    assert told(train_and_save(settings, tmp_path / "b", resume=resume)) == straight


def test_what_a_killed_writer_left_takes_no_room(config, tmp_path, monkeypatch):
    settings = config(**FEATURES)
    killed_in_step(monkeypatch, 8, settings, tmp_path)
    left = [tmp_path / "checkpoint" / ".1-2.x.tmp", tmp_path / PARTIAL / ".1-2.y.tmp"]
    for folder in left:
        folder.mkdir()
    next(train(settings, tmp_path, resume=tmp_path / "checkpoint" / "1-1"))
    assert not any(folder.exists() for folder in left)


def test_it_goes_on_in_the_first_epoch(config, tmp_path, monkeypatch):
    straight = told(train_and_save(config(**PHOTOS), tmp_path / "a"))
    killed_in_step(monkeypatch, 3, config(**PHOTOS), tmp_path / "b")
    assert told(train_and_save(config(**PHOTOS), tmp_path / "b")) == straight


def test_a_checkpoint_ahead_of_the_partial_one_is_taken(config, tmp_path, monkeypatch):
    straight = told(train_and_save(config(**FEATURES), tmp_path / "a"))
    killed_in_step(monkeypatch, 3, config(**FEATURES), tmp_path / "b")
    resumed = told(train_and_save(config(**FEATURES), tmp_path / "b", resume=tmp_path / "a" / "checkpoint" / "1-2"))
    assert resumed == straight


@pytest.mark.parametrize("spoil", ["damage", "settings"])
def test_a_partial_one_that_cannot_be_used_is_told_of(config, tmp_path, monkeypatch, caplog, spoil):
    killed_in_step(monkeypatch, 3, config(**FEATURES, seed=int(spoil == "settings")), tmp_path)
    if spoil == "damage":
        damage(tmp_path / PARTIAL / "2-1")
    straight = told(train(config(**FEATURES), tmp_path / "other"))
    assert told(train(config(**FEATURES), tmp_path)) == straight
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    reason = "damaged" if spoil == "damage" else r"belongs to other settings (seed=1, here 0)"
    assert reason in line
    assert line.endswith("; it is not used")


def test_of_a_damaged_one_the_one_before_is_taken(config, tmp_path, caplog):
    settings = config(**FEATURES)
    straight = told(train_and_save(settings, tmp_path))
    newest = tmp_path / "checkpoint" / "1-3"
    damage(newest)
    damage(tmp_path / "checkpoint" / "1-2")
    resumed = train_and_save(settings, tmp_path, resume=newest)
    assert told(resumed) == straight
    assert [epoch.replayed for epoch in resumed] == [True, False, False]
    assert [message.split(" (")[0] for message in caplog.messages] == [
        f"{tmp_path}/checkpoint/1-3: the checkpoint is damaged",
        f"{tmp_path}/checkpoint/1-2: the checkpoint is damaged",
    ]
    assert checkpoint.load(newest)["epoch"] == 3  # written anew in its place


def test_where_none_is_whole_the_newest_is_named(config, tmp_path):
    train_and_save(config(**FEATURES, **{"train.epochs": 2}), tmp_path)
    for folder in kept(tmp_path / "checkpoint"):
        damage(folder)
    with pytest.raises(GeotuneError, match="1-2: the checkpoint is damaged"):
        next(train(config(**FEATURES), tmp_path, resume=tmp_path / "checkpoint" / "1-2"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"optim.lr": 0.5}, "belongs to other settings (optim.lr=0.01, here 0.5)"),
        ({"train.epochs": 9, "seed": 4}, "belongs to other settings (seed=0, here 4, train.epochs=3, here 9)"),
        (CELLS, "belongs to other settings (model.head.name=regression, here cells, "),
    ],
)
def test_other_settings_are_refused(config, tmp_path, changes, told):
    (epoch, *_) = train_and_save(config(**FEATURES), tmp_path)
    epoch.save(tmp_path / "c")
    with pytest.raises(GeotuneError) as caught:
        next(train(config(**FEATURES | changes), tmp_path, resume=tmp_path / "c"))
    assert told in str(caught.value)
    assert "Go on with the settings that it was written with" in caught.value.hint


def test_settings_of_where_and_how_long_may_differ(config, tmp_path, region):
    straight = told(train_and_save(config(**FEATURES), tmp_path))
    moved = tmp_path / "moved"
    moved.symlink_to(region)
    changes = {"data": str(moved), "device": "auto", "train.patience": 40, "train.micro_batch": 7}
    if torch.cuda.is_available():
        changes.pop("device")
    resumed = train(config(**FEATURES | changes), tmp_path, resume=tmp_path / "checkpoint" / "1-2")
    assert told(resumed) == straight


def test_it_goes_on_with_what_fits_here(config, tmp_path, monkeypatch):
    """A checkpoint of a larger machine, or with more asked for, does not bring its own portions along."""
    settings = {"model.frozen_layers": 5, "input.views": 0}
    epoch = next(train(config(**settings, **{"train.micro_batch": 12}), tmp_path))
    epoch.save(tmp_path / "c")
    sizes, take = [], loop.take
    monkeypatch.setattr(loop, "take", lambda run, *a: sizes.append(run.source.micro.size) or take(run, *a))
    list(train(config(**settings, **{"train.micro_batch": 4}), tmp_path, resume=tmp_path / "c"))
    assert set(sizes) == {4}


def test_other_photos_are_refused(config, tmp_path, world):
    (epoch, *_) = train(config(**FEATURES, **{"train.epochs": 1}), tmp_path)
    epoch.save(tmp_path / "c")
    with pytest.raises(GeotuneError, match=r"belongs to other photos .dataset fingerprint [0-9a-f]{12}, here"):
        next(train(config(**FEATURES, **{"train.epochs": 1}, data=str(world)), tmp_path, resume=tmp_path / "c"))


def test_other_weights_under_the_same_name_are_refused(config, tmp_path):
    """What is frozen is in no checkpoint: it would go on with another one."""
    file = tmp_path / "weights.pth"
    settings = config(**FEATURES, **{"model.weights": str(file)})
    for number in range(2):
        torch.manual_seed(number)
        torch.save(timm.create_model("test_resnet", num_classes=0).state_dict(), file)
        if not number:
            next(train(settings, tmp_path)).save(tmp_path / "c")
    with pytest.raises(GeotuneError, match=r"began with other weights \(SHA-256 [0-9a-f]{12}, here [0-9a-f]{12}\)"):
        next(train(settings, tmp_path, resume=tmp_path / "c"))


def test_other_cells_are_refused(config, tmp_path):
    settings = config(**FEATURES | CELLS, **{"train.epochs": 1})
    (epoch,) = train(settings, tmp_path)
    epoch.save(tmp_path / "c")
    document = json.loads((tmp_path / "c" / checkpoint.TREE).read_text())
    document["state"]["of"]["cells"] = "0123456789abcdef"
    (tmp_path / "c" / checkpoint.TREE).write_text(json.dumps(document))
    expected = r"belongs to other cells \(fingerprint 0123456789abcdef, here [0-9a-f]{16}\)"
    with pytest.raises(GeotuneError, match=expected):
        next(train(settings, tmp_path, resume=tmp_path / "c"))


def test_a_key_that_is_missing_is_no_default(config, tmp_path):
    run = Run(config(**FEATURES), tmp_path)
    run.save(tmp_path / "c")
    whole = checkpoint.load(tmp_path / "c")
    for key in whole.keys() - {"of"}:
        state = {name: value for name, value in whole.items() if name != key}
        with pytest.raises(GeotuneError, match=f"does not fit its own settings .KeyError: '{key}'"):
            run.restore(state, tmp_path / "c")


def test_frozen_weights_are_left_out(config, tmp_path):
    run = Run(config(**{"model.frozen_layers": 4}), tmp_path)
    run.save(tmp_path / "c")
    stored = checkpoint.load(tmp_path / "c")["model"]
    assert any(name.startswith("backbone.") for name in run.model.state_dict().keys() - stored.keys())
    assert stored.keys() == run.model.trainable_state().keys()
