"""A step: the same result whatever fits in memory, also after it ran out in the middle; what is skipped."""

import multiprocessing
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import torch
from torch import nn

from geotune.model.backbone import Backbone
from geotune.model.heads.base import Head
from geotune.train import loop
from geotune.train.loop import train
from geotune.train.outcomes import Diverged, Infeasible
from geotune.train.run import Run
from geotune.train.step import backward, take
from tests.train.conftest import memory_for

VIT = {"model.backbone": "test_vit", "input.sizes": 64, "train.epochs": 1}
CELLS = {"model.head.name": "cells", "model.head.cells": 8, "model.head.hidden": 8, "model.head.dropout": 0.3}
HEADS = {
    "regression": {"model.head.hidden": 8, "model.head.dropout": 0.3},
    "cells": CELLS | {"model.head.balance": 1.0},
    "hard": CELLS | {"model.head.smoothing": 0, "model.head.balance": 0.5, "model.head.label_smoothing": 0.1},
    "hybrid": CELLS | {"model.head.name": "hybrid"},
    "hierarchical": CELLS | {"model.head.name": "hierarchical", "model.head.branching": 2},
    "multitask": CELLS | {"model.head.name": "multitask"},
    "mixture": {"model.head.name": "mixture", "model.head.components": 4, "model.head.dropout": 0.3},
    "retrieval": {"model.head.name": "retrieval", "model.head.hidden": 8, "model.head.dropout": 0.3},
}


def begun(config, folder: Path) -> Run:
    """A run before its first step."""
    run = Run(config, folder)
    loop._fit(run)
    run.source.module.train()
    return run


def gradients(run: Run) -> dict[str, torch.Tensor]:
    return {name: w.grad.clone() for name, w in run.model.named_parameters() if w.grad is not None}


def close(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, gradient in one.items():
        scale = float(gradient.abs().max())
        assert torch.allclose(gradient, other[name], rtol=1e-3, atol=1e-4 * scale + 1e-8), name


@pytest.mark.parametrize("head", HEADS)
def test_micro_batches_give_the_gradients_of_the_whole_batch(config, world, tmp_path, head):
    """Also of a ragged last batch, with dropout, weighted classes, masked countries, and photos compared in pairs."""
    changes = VIT | HEADS[head] | {"train.batch_size": 22, "data": str(world)}
    found = []
    for micro in (22, 5):
        run = begun(config(**changes, **{"train.micro_batch": micro}), tmp_path)
        inputs, index = list(run.source.epoch(1))[-1]
        assert len(index) == 60 % 22 == 16
        if "cell" in run.targets:
            run.targets["cell"][index[:3]] = -1  # outside all cells
        losses = backward(run, inputs, index, 2)
        found.append((losses, gradients(run)))
    (whole_losses, whole), (part_losses, part) = found
    for name, loss in whole_losses.items():
        assert float(loss) == pytest.approx(float(part_losses[name]), rel=1e-4), name
    assert any(name.startswith("backbone") for name in whole)
    close(whole, part)


def test_memory_that_runs_out_in_a_step(config, tmp_path):
    """In its second part, after the first one's gradients were added up: the step begins anew in smaller parts."""
    run = begun(config(**VIT, **CELLS, **{"train.micro_batch": 11}), tmp_path)
    inputs, index = next(run.source.epoch(1))
    whole = backward(run, inputs, index, 0), gradients(run)
    assert run.source.micro.size == 11
    with memory_for(100, fails=(2,)) as seen:
        again = backward(run, inputs, index, 0), gradients(run)
    assert seen == [8, 8, 5, 5, 6]
    assert run.source.micro.size == 6
    assert float(again[0]["loss"]) == pytest.approx(float(whole[0]["loss"]), rel=1e-4)
    close(whole[1], again[1])


def test_random_numbers_of_others_begin_where_they_did(config, tmp_path):
    """A head or a backbone may draw from torch's own generator."""
    run = begun(config(**VIT, **{"train.micro_batch": 1}), tmp_path)
    run.model.head.trunk = nn.Dropout(0.5)
    inputs, index = next(run.source.epoch(1))
    found = []
    for fails in [(), (3,)]:
        with memory_for(100, fails=fails) as seen:
            backward(run, inputs, index, 0)
        found.append(gradients(run))
    assert len(seen) == 3 + 16
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


NORMS = {"train.epochs": 2, "train.norm_batch": 8, "optim.lr": 3e-3, "input.augment": "light"}


def result(run_config, folder: Path, **memory) -> tuple[list[dict], dict]:
    """Metrics of the epochs, without times, and the weights at the end."""
    with memory_for(**memory):
        *epochs, last = train(run_config, folder)
        last.save(folder / "c")
    from safetensors.torch import load_file

    tensors = {}
    for path in (folder / "c").glob("*.safetensors"):
        tensors |= load_file(path)
    told = [epoch.metrics for epoch in [*epochs, last]]
    return [{name: v for name, v in m.items() if name.startswith(("train/loss", "valid/"))} for m in told], tensors


def same(one: dict, other: dict, rel: float) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert other[name] == pytest.approx(value, rel=rel, abs=rel), name


@pytest.mark.parametrize("head", ["cells", "retrieval"])
def test_two_limits_give_the_same_metrics(config, tmp_path, head):
    changes = config(**VIT | HEADS[head] | {"train.epochs": 2})
    (one, _), (other, _) = (result(changes, tmp_path / str(limit), photos=limit) for limit in (16, 3))
    for first, second in zip(one, other, strict=True):
        same(first, second, 2e-3)


@pytest.mark.parametrize("head", ["cells", "retrieval"])
def test_two_limits_give_the_same_metrics_with_batchnorm(config, tmp_path, head):
    """Bit for bit: its groups are the same ones."""
    changes = config(**NORMS | HEADS[head])
    (one, weights), (other, others) = (result(changes, tmp_path / str(limit), photos=limit) for limit in (60, 8))
    assert one == other
    assert all(torch.equal(tensor, others[name]) for name, tensor in weights.items())


def test_batchnorm_counts_a_repeated_step_once(config, tmp_path):
    """Its second group finds no memory, once: the step is repeated as it was."""
    settings = config(**NORMS)
    whole, weights = result(settings, tmp_path / "a", photos=60)
    # A head is asked for the sample at first, without gradients; 16 photos a step are two groups.
    mended, others = result(settings, tmp_path / "b", photos=60, fails=(2, 8))
    assert whole == mended
    assert any("running_mean" in name for name in weights)
    assert all(torch.equal(tensor, others[name]) for name, tensor in weights.items())


def test_norm_batch_matters_and_the_micro_batch_does_not(config, tmp_path):
    losses = {}
    for norm, micro in [(8, "auto"), (8, 4), (16, "auto")]:
        settings = config(**NORMS | {"train.norm_batch": norm, "train.micro_batch": micro, "train.epochs": 1})
        (epoch,) = train(settings, tmp_path / f"{norm}-{micro}")
        losses[norm, micro] = epoch.metrics["train/loss"]
    assert losses[8, "auto"] == losses[8, 4] != losses[16, "auto"]


def test_a_group_that_does_not_fit(config, tmp_path):
    told = r"out of memory with 8 photos, over which BatchNorm .* at a time \(2.00 GiB more was asked for, 1.25 GiB of "
    with memory_for(7) as seen, pytest.raises(Infeasible, match=told) as caught:
        list(train(config(**NORMS), tmp_path))
    assert "set train.norm_batch below 8" in str(caught.value)
    assert seen == [8, 8]  # once more, as memory may have been in pieces


def test_not_even_one_photo_fits(config, tmp_path):
    with memory_for(0), pytest.raises(Infeasible, match=r"a single photo at a time .*: take a smaller model.backbone"):
        list(train(config(**VIT), tmp_path))


@pytest.mark.parametrize("frozen_layers", [0, 5])
def test_without_gradients_it_goes_on_in_smaller_parts_too(config, tmp_path, monkeypatch, frozen_layers):
    """The sample, the validation, the photos that a head keeps, the features of a frozen backbone."""
    settings = config(**VIT | HEADS["retrieval"] | {"model.frozen_layers": frozen_layers})
    (plain,) = train(settings, tmp_path / "a")
    monkeypatch.setenv("GEOTUNE_CACHE", str(tmp_path / "cache"))
    with memory_for(5, training=False, what=Backbone) as seen:
        (epoch,) = train(settings, tmp_path / "b")
    assert sum(photos > 5 for photos in seen) <= 4
    for name in ("valid/median_m", "valid/loss"):
        assert epoch.metrics[name] == pytest.approx(plain.metrics[name], rel=1e-3)


# ------------------------------------------------------------------------------------------ remembered


def attempts(config, folder: Path) -> list[int]:
    torch.set_num_threads(1)
    with memory_for(5) as seen:
        list(train(config, folder))
    return seen


@pytest.mark.slow
def test_what_fitted_is_remembered_by_other_processes(config, tmp_path, monkeypatch):
    monkeypatch.setenv("GEOTUNE_CACHE", str(tmp_path / "cache"))
    first = attempts(config(**VIT), tmp_path / "a")
    assert first[:3] == [16, 8, 4]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        other = pool.apply(attempts, (config(**VIT), tmp_path / "b"))
    assert other == [4] * 15  # 60 photos, and not one too many was tried
    assert attempts(config(**VIT, **CELLS), tmp_path / "c")[:3] == [16, 8, 4]  # another model


# ------------------------------------------------------------------------------------------ not finite


@contextmanager
def broken_losses(*steps: int):
    """The losses of these steps (counted from 1) are no numbers."""
    loss, count = Head.loss, 0

    def broken(self, outputs, targets):
        nonlocal count
        losses = loss(self, outputs, targets)
        count += self.training
        return {name: value * float("nan") for name, value in losses.items()} if count in steps else losses

    Head.loss = broken
    try:
        yield
    finally:
        Head.loss = loss


@pytest.mark.parametrize("name", ["adamw", "sgd", "lamb"])
def test_a_batch_without_a_finite_loss_is_skipped(config, tmp_path, name):
    run = begun(config(**VIT, **{"optim.name": name}), tmp_path)
    (inputs, index), other, *_ = run.source.epoch(1)
    take(run, inputs, index, 0, 4)
    before = {key: tensor.clone() for key, tensor in run.model.state_dict().items()}
    with broken_losses(1):
        take(run, inputs, index, 1, 4)
    assert int(run.skipped) == 1
    assert all(torch.equal(tensor, before[key]) for key, tensor in run.model.state_dict().items())
    take(run, *other, 2, 4)
    assert int(run.skipped) == 1
    after = run.model.state_dict()
    assert all(torch.isfinite(tensor).all() for tensor in after.values())
    assert any(not torch.equal(tensor, before[key]) for key, tensor in after.items())


def test_a_skipped_batch_leaves_no_trace_in_running_averages(config, tmp_path):
    """What overflows in float16 reaches BatchNorm before it reaches the loss."""
    run = begun(config(), tmp_path)
    (inputs, index), other, *_ = run.source.epoch(1)
    take(run, inputs, index, 0, 4)
    before = {key: tensor.clone() for key, tensor in run.model.state_dict().items()}
    overflow = run.model.backbone.net.conv1.register_forward_hook(lambda module, given, made: made * float("inf"))
    take(run, inputs, index, 1, 4)
    overflow.remove()
    assert int(run.skipped) == 1
    assert all(torch.equal(tensor, before[key]) for key, tensor in run.model.state_dict().items())
    take(run, *other, 2, 4)
    assert int(run.skipped) == 1


def test_skipped_batches_are_counted_over_epochs_and_checkpoints_and_end_a_run(config, tmp_path):
    settings = config(**{"model.frozen_layers": 5, "train.max_skipped": 2, "train.epochs": 3})
    with broken_losses(2, 6):  # four steps an epoch
        run = train(settings, tmp_path / "a")
        assert next(run).metrics["train/loss"] > 0
        second = next(run)
        assert second.metrics["train/skipped"] == 2
        second.save(tmp_path / "a" / "c")
        run.close()
    with broken_losses(1), pytest.raises(Diverged, match=r"gradient of 3 batches was no finite number.*max_skipped=2"):
        list(train(settings, tmp_path / "a", resume=tmp_path / "a" / "c"))


def test_divergence_is_an_outcome(config, tmp_path):
    changes = {"model.frozen_layers": 5, "optim.lr": 1e30, "train.clip": 0, "optim.name": "sgd", "train.epochs": 8}
    with pytest.raises(Diverged, match=r"no finite number|is nan"):
        list(train(config(**changes), tmp_path))


def test_no_memory_for_the_optimiser(config, tmp_path):
    run = begun(config(**VIT), tmp_path)

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 96.00 MiB. GPU 0 has …")

    run.optimizer.register_step_pre_hook(full)
    told = r"averages of optim.name=adamw \(96.00 MiB more was asked for\): take an optim.name with fewer"
    with pytest.raises(Infeasible, match=told):
        take(run, *next(run.source.epoch(1)), 0, 4)


# ------------------------------------------------------------------------------------------ on a GPU


@pytest.fixture
def small_gpu():
    """So little of a GPU that a batch does not fit."""
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    from geotune.train.device import hold

    with ExitStack() as stack:
        stack.callback(hold, 1.0)
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(0).total_memory
        hold(1.5 * 2**30 / total)  # of which a part is CUDA's own
        yield


def test_real_memory_that_runs_out(config, tmp_path, small_gpu):
    changes = VIT | {"train.batch_size": 60, "device": "cuda", "train.precision": "float32"}
    changes |= {"model.backbone": "vit_small_patch16_224", "input.sizes": 448}
    settings = config(**changes)
    run = begun(settings, tmp_path)
    assert run.source.micro.size == 60
    take(run, *next(run.source.epoch(1)), 0, 4)
    assert run.source.micro.size < 60
    again = begun(settings, tmp_path)
    assert again.source.micro.size == run.source.micro.size


def test_real_memory_that_does_not_do_for_one_photo(config, tmp_path, small_gpu):
    changes = VIT | {"model.backbone": "vit_large_patch16_224", "input.sizes": 224, "device": "cuda"}
    with pytest.raises(Infeasible, match=r"asked for, .* is this trial's share of the GPU|out of memory"):
        list(train(config(**changes), tmp_path))
