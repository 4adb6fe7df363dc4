"""A full training that begins with the weights of the winning trial, through the search's own steps."""

import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from geotune.commands.conduct import conduct
from geotune.commands.full_training import affordable_config
from geotune.config import dump_yaml, load_yaml
from geotune.final.winner import begin_with_winner
from geotune.record.folder import RunFolder
from geotune.record.plan import Plan
from geotune.record.record import Record
from geotune.record.space_file import BudgetSettings
from geotune.record.trial import TrialView
from geotune.search.budget import Clock
from geotune.search.executors import inline
from geotune.search.machine import Shape
from geotune.train import checkpoint
from geotune.train.bundle import load_bundle
from geotune.train.loop import train
from tests.tiny_search import TINY

WINNER = {"model.start": "winner", "model.frozen_layers": 4, "optim.backbone_lr_scale": 0.05, "train.epochs": 2}


@pytest.fixture
def searched(make_search: Any, tmp_path: Path) -> RunFolder:
    """A search whose trials are done: heads on a frozen backbone."""
    space = tmp_path / "winner.yaml"
    space.write_text(dump_yaml(TINY | {"full": WINNER}))
    words = ("executor=inline", "tracking=none", "stopping.rule=none", "trials=2", "device=cpu")
    run: RunFolder = make_search(f"space={space}", *words)[0]
    record = Record(run)
    inline.run(record, Shape(1, 0))
    record.close()
    return run


def best_of(run: RunFolder) -> TrialView:
    record = Record(run)
    best = record.best()
    record.close()
    assert best is not None
    return best


def test_the_full_training_begins_with_the_best_epoch_of_the_best_trial(
    searched: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    number = best_of(searched).number
    trial = searched.trial(number)
    (newest,) = trial.checkpoints.glob("*")
    best_state = checkpoint.load(newest)["best_model"]
    conduct(searched, Clock(), more_trials=False)
    out = capsys.readouterr().out
    assert f"it begins with the weights of trial {number}: " in out
    written = load_yaml(searched.final.config)["model"]
    start = searched.final.path / "start" / f"{number:04d}"
    assert (written["start"], written["frozen_layers"]) == (str(start), 4)
    begun = load_bundle(start, "cpu").model
    assert all(torch.equal(begun.state_dict()[name], tensor) for name, tensor in best_state.items())
    final = load_bundle(searched.model, "cpu").model
    assert torch.equal(final.head.standardise.mean, begun.head.standardise.mean)
    assert final.fitted == begun.fitted
    assert not list(searched.path.glob("trials/*/checkpoint")), "they are of no more use"


def test_it_goes_on_with_what_it_began_with(searched: RunFolder) -> None:
    best = best_of(searched)
    number, wanted = best.number, Plan.read(searched).full_config(best.drawn)
    config = begin_with_winner(searched, number, wanted)
    epochs = train(config, searched.final.path)
    next(epochs).save(searched.final.checkpoint(1, 1))
    epochs.close()
    weights = Path(config.model.start) / "model.safetensors"
    before = weights.stat().st_mtime_ns
    assert begin_with_winner(searched, number, wanted) == config
    assert weights.stat().st_mtime_ns == before
    shutil.rmtree(searched.trial(number).checkpoints)
    searched.final.drop_checkpoints()
    assert begin_with_winner(searched, number, wanted) == config, "the model is there"


def test_a_checkpoint_that_is_damaged_or_gone(searched: RunFolder) -> None:
    best = best_of(searched)
    wanted = Plan.read(searched).full_config(best.drawn)
    (newest,) = searched.trial(best.number).checkpoints.glob("*")
    (newest / "state.json").write_text("{")
    assert begin_with_winner(searched, best.number, wanted).model.start == ""
    shutil.rmtree(newest)
    assert begin_with_winner(searched, best.number, wanted).model.start == ""
    assert not (searched.final.path / "start").exists()


@pytest.mark.slow
def test_that_it_begins_anew_is_told(searched: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    number = best_of(searched).number
    shutil.rmtree(searched.trial(number).checkpoints)
    conduct(searched, Clock(BudgetSettings(time="600s")), more_trials=False)
    said = f"it begins anew: no checkpoint of trial {number} is left (full.model.start=winner)"
    assert said in capsys.readouterr().out
    assert load_yaml(searched.final.config)["model"]["start"] == ""
    assert searched.model.is_dir()


def test_epochs_that_are_other_work_are_timed_before_they_are_promised(searched: RunFolder) -> None:
    """The winner's own epochs, on ready features, would let any number fit."""
    plan, best = Plan.read(searched), best_of(searched)
    assert plan.full_is_other_work
    wanted = plan.full_config(best.drawn)
    wanted = wanted.model_copy(update={"train": wanted.train.model_copy(update={"epochs": 10_000_000})})
    best.seconds = 1e-9
    assert affordable_config(plan, best, wanted, math.inf) == wanted
    assert affordable_config(plan, best, wanted, 60.0).train.epochs < 1_000_000
