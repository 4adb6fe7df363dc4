"""Parameter groups and learning rates."""

from typing import Any

import pytest
import timm
import torch
from torch import nn

from geotune.errors import SettingsError
from geotune.model.backbone import Backbone
from geotune.train import checkpoint
from geotune.train.optim import check_optimiser, factor, optimiser, set_learning_rate
from geotune.train.settings import OptimSettings


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 2)


def made(model: nn.Module, settings: OptimSettings | None = None, **changes: Any) -> torch.optim.Optimizer:
    """The optimiser at batches of 64 photos."""
    return optimiser(model, settings or OptimSettings(**changes), 64)


def test_norms_and_biases_do_not_decay_and_the_backbone_is_slower():
    model = Small()
    optimizer = made(model, lr=1e-2, weight_decay=0.3, backbone_lr_scale=0.5)
    of = {id(w): group for group in optimizer.param_groups for w in group["params"]}
    conv, norm = model.backbone
    assert (of[id(conv.weight)]["lr"], of[id(conv.weight)]["weight_decay"]) == (5e-3, 0.3)
    assert (of[id(conv.bias)]["lr"], of[id(conv.bias)]["weight_decay"]) == (5e-3, 0.0)
    assert of[id(norm.weight)]["weight_decay"] == 0.0
    assert (of[id(model.head.weight)]["lr"], of[id(model.head.weight)]["weight_decay"]) == (1e-2, 0.3)
    assert of[id(model.head.bias)]["weight_decay"] == 0.0
    assert len(of) == 6


def test_frozen_weights_are_left_out():
    model = Small()
    model.backbone.requires_grad_(False)
    optimizer = made(model)
    assert {id(w) for group in optimizer.param_groups for w in group["params"]} == {
        id(w) for w in model.head.parameters()
    }


def test_position_embeddings_do_not_decay():
    model = Small()
    model.backbone = timm.create_model("vit_tiny_patch16_224", num_classes=0)
    optimizer = made(model, weight_decay=0.3)
    plain = {id(w) for group in optimizer.param_groups if not group["weight_decay"] for w in group["params"]}
    assert id(model.backbone.pos_embed) in plain
    assert id(model.backbone.cls_token) in plain


def test_an_unknown_optimiser_names_the_nearest():
    with pytest.raises(SettingsError, match=r"optim\.name.*timm has no optimiser 'adamww'; did you mean adamw"):
        made(Small(), name="adamww")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("lbfgs", "lbfgs evaluates the loss several times a step"),
        ("adahessian", "adahessian needs second derivatives, which micro-batches do not add up; take adamw"),
        ("kron", "kron does not go on exactly from a checkpoint"),
        ("fusedadam", "fusedadam needs the package apex, which is not installed"),
        ("bnbadam8bit", "bnbadam8bit needs the package bitsandbytes, which is not installed"),
    ],
)
def test_an_optimiser_that_cannot_run_here_is_refused(name, problem):
    with pytest.raises(SettingsError, match=rf"optim\.name.*{problem}"):
        check_optimiser(OptimSettings(name=name))


NAMES = "sgd momentum sgdw adam adamw nadam nadamw radam adamax adagrad rmsprop rmsproptf lion lamb lars adabelief adan"


@pytest.mark.parametrize("name", [*NAMES.split(), "adafactor", "adopt", "madgradw", "muon"])
def test_optimisers_by_name_go_on_from_a_checkpoint_exactly(name, tmp_path):
    settings = OptimSettings(name=name, lr=1e-2)

    def learn(model: Small, optimizer: torch.optim.Optimizer, steps: range) -> None:
        for step in steps:
            set_learning_rate(optimizer, settings, step, 10)
            photos = torch.rand(3, 3, 6, 6, generator=torch.Generator().manual_seed(step))
            optimizer.zero_grad()
            model.head(model.backbone(photos).mean((2, 3))).square().sum().backward()
            optimizer.step()

    torch.manual_seed(0)
    model = Small()
    before = model.head.weight.detach().clone()
    optimizer = made(model, settings)
    learn(model, optimizer, range(3))
    assert not torch.equal(before, model.head.weight)
    assert all(weight.isfinite().all() for weight in model.parameters())
    checkpoint.save(tmp_path / "c", {"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    learn(model, optimizer, range(3, 6))
    again = Small()
    state = checkpoint.load(tmp_path / "c")
    again.load_state_dict(state["model"])
    optimizer = made(again, settings)
    optimizer.load_state_dict(state["optimizer"])
    learn(again, optimizer, range(3, 6))
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("name", ["sgd", "sgdw", "momentum", "lars"])
def test_momentum_is_the_settings(name):
    for momentum in (0.0, 0.7):
        assert {group["momentum"] for group in made(Small(), name=name, momentum=momentum).param_groups} == {momentum}


def test_layer_decay_slows_earlier_stages():
    """By stem and four stages, whichever the family; the head has its own rate."""
    model = Small()
    model.backbone = Backbone("test_resnet", None, sizes=[32])
    optimizer = made(model, lr=1.0, backbone_lr_scale=0.5, layer_decay=0.1)
    rate = {id(w): group["lr"] for group in optimizer.param_groups for w in group["params"]}
    net = model.backbone.net
    assert rate[id(net.conv1[0].weight)] == pytest.approx(0.5e-4)
    for stage, expected in enumerate((0.5e-3, 0.5e-2, 0.05, 0.5), start=1):
        layer = getattr(net, f"layer{stage}")
        assert {round(rate[id(weight)], 9) for weight in layer.parameters()} == {expected}
    assert rate[id(model.head.weight)] == 1.0
    assert optimizer.param_groups[-1]["lr"] == 1.0
    assert len(rate) == len(list(model.parameters()))


@pytest.mark.parametrize(("scaling", "expected"), [("none", 0.01), ("sqrt", 0.02), ("linear", 0.04)])
def test_a_larger_batch_can_have_a_higher_rate(scaling, expected):
    settings = OptimSettings(lr=0.01, batch_scaling=scaling, schedule="constant", warmup=0, backbone_lr_scale=0.1)
    optimizer = optimiser(Small(), settings, 256)
    assert set_learning_rate(optimizer, settings, 3, 10) == pytest.approx(expected)
    assert {round(group["lr"], 9) for group in optimizer.param_groups} == {expected, round(expected / 10, 9)}
    at_base = optimiser(Small(), settings, 64)
    assert set_learning_rate(at_base, settings, 3, 10) == 0.01


@pytest.mark.parametrize("warmup", [0.1, 0.3, 0.5])
def test_onecycle_is_torchs(warmup):
    steps = 60
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    oracle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=2.0, total_steps=steps, pct_start=warmup, cycle_momentum=False
    )
    for step in range(steps):
        assert 2.0 * factor("onecycle", warmup, step, steps) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        if step < steps - 1:
            oracle.step()


@pytest.mark.parametrize("schedule", ["onecycle", "cosine", "constant"])
@pytest.mark.parametrize("steps", [1, 2, 7, 300])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.9])
def test_factors_stay_within_0_and_1_and_reach_the_top(schedule, steps, warmup):
    factors = [factor(schedule, warmup, step, steps) for step in range(steps)]
    assert all(0 <= value <= 1 for value in factors)
    if steps == 300:
        assert max(factors) == pytest.approx(1, abs=1e-3)
        assert (factors[-1] < 0.02) == (schedule != "constant")


def test_cosine_ends_at_its_lowest():
    falling = [factor("cosine", 0.1, step, 1000, lowest=0.2) for step in range(100, 1000)]
    assert falling == sorted(falling, reverse=True)
    assert falling[0] == 1
    assert falling[-1] == pytest.approx(0.2, abs=1e-4)
    settings = OptimSettings(lr=2.0, schedule="cosine", min_lr=0.2)
    assert set_learning_rate(made(Small(), settings), settings, 999, 1000) == pytest.approx(0.4, abs=1e-4)


def test_every_group_keeps_its_share():
    model, settings = Small(), OptimSettings(lr=1.0, backbone_lr_scale=0.25, schedule="cosine", warmup=0)
    optimizer = made(model, settings)
    assert set_learning_rate(optimizer, settings, 5, 10) == pytest.approx(0.5)
    assert {round(group["lr"], 9) for group in optimizer.param_groups} == {0.5, 0.125}
