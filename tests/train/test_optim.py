"""Parameter groups and learning rates."""

import pytest
import timm
import torch
from torch import nn

from geotune.errors import SettingsError
from geotune.train.optim import factor, optimiser, set_learning_rate
from geotune.train.settings import OptimSettings


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 2)


def test_norms_and_biases_do_not_decay_and_the_backbone_is_slower():
    model = Small()
    settings = OptimSettings(lr=1e-2, weight_decay=0.3, backbone_lr_scale=0.5)
    optimizer = optimiser(model, settings)
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
    optimizer = optimiser(model, OptimSettings())
    assert {id(w) for group in optimizer.param_groups for w in group["params"]} == {
        id(w) for w in model.head.parameters()
    }


def test_position_embeddings_do_not_decay():
    model = Small()
    model.backbone = timm.create_model("vit_tiny_patch16_224", num_classes=0)
    optimizer = optimiser(model, OptimSettings(weight_decay=0.3))
    plain = {id(w) for group in optimizer.param_groups if not group["weight_decay"] for w in group["params"]}
    assert id(model.backbone.pos_embed) in plain
    assert id(model.backbone.cls_token) in plain


def test_an_unknown_optimiser_names_the_nearest():
    with pytest.raises(SettingsError, match=r"optim\.name.*timm has no optimiser 'adamww'; did you mean adamw"):
        optimiser(Small(), OptimSettings(name="adamww"))


@pytest.mark.parametrize("name", ["sgd", "adamw", "lion", "lamb"])
def test_optimisers_by_name_take_a_step(name):
    model = Small()
    optimizer = optimiser(model, OptimSettings(name=name, lr=1e-2))
    before = model.head.weight.detach().clone()
    model.head(torch.rand(3, 4)).square().sum().backward()
    set_learning_rate(optimizer, OptimSettings(name=name, lr=1e-2), 5, 10)
    optimizer.step()
    assert not torch.equal(before, model.head.weight)


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


def test_every_group_keeps_its_share():
    model, settings = Small(), OptimSettings(lr=1.0, backbone_lr_scale=0.25, schedule="cosine", warmup=0)
    optimizer = optimiser(model, settings)
    assert set_learning_rate(optimizer, settings, 5, 10) == pytest.approx(0.5)
    assert {round(group["lr"], 9) for group in optimizer.param_groups} == {0.5, 0.125}
