"""The optimiser, its parameter groups, and the learning rate as a pure function of the step."""

import difflib
import importlib.util
import math
from typing import Any, NoReturn

import timm.optim
import torch
from torch import nn

from geotune.errors import SettingsError
from geotune.model.stages import stages_of
from geotune.train.settings import OptimSettings

START = 1 / 25
"""First learning rate of a one-cycle schedule, as a share of the highest (torch's `div_factor`)."""
END = START / 1e4
"""Last learning rate of a one-cycle schedule, as a share of the highest (torch's `final_div_factor`)."""

FUSED = ("adam", "adamw")
"""Optimisers of torch that update all weights in one kernel, on CPUs too: a step of a head is mostly overhead."""
UNRESUMABLE = ("kron", "kronc", "kronw", "adafactorbv", "adafactorbvc", "cadafactorbv", "cadafactorbvc")
"""Kron's state is not all in its `state_dict`, the others' holds what a checkpoint cannot (tried with timm 1.0.31)."""
BASE_BATCH = 64
"""Photos a step at which `optim.lr` holds as it stands, whatever `optim.batch_scaling`."""
POWER = {"none": 0.0, "sqrt": 0.5, "linear": 1.0}


def check_optimiser(settings: OptimSettings) -> None:
    """Raises SettingsError for an optimiser that timm does not have, with the nearest names, or that cannot run here.

    A step is taken from one gradient of a batch, computed once: nothing that evaluates the loss again within a step,
    or differentiates twice.
    """
    known = timm.optim.list_optimizers()
    if settings.name == "lbfgs":
        _refuse("lbfgs evaluates the loss several times a step, on a batch that passes by once")
    if settings.name not in known:
        near = difflib.get_close_matches(settings.name, known, n=3)
        mend = f"; did you mean {' or '.join(near)}?" if near else f"; it has {', '.join(known)}"
        raise SettingsError([("optim.name", f"timm has no optimiser {settings.name!r}{mend}")])
    info = timm.optim.get_optimizer_info(settings.name)
    if settings.name in UNRESUMABLE:
        _refuse(f"{settings.name} does not go on exactly from a checkpoint")
    if info.second_order:
        _refuse(f"{settings.name} needs second derivatives, which micro-batches do not add up")
    package = info.opt_class.partition(".")[0] if isinstance(info.opt_class, str) else "torch"
    if importlib.util.find_spec(package) is None:
        _refuse(f"{settings.name} needs the package {package}, which is not installed")


def _refuse(reason: str) -> NoReturn:
    raise SettingsError([("optim.name", f"{reason}; take adamw, sgd, lamb or lion")])


def optimiser(model: nn.Module, settings: OptimSettings, batch_size: int) -> torch.optim.Optimizer:
    """An optimiser over the weights that are not frozen: those of one rate, with and without decay, are a group.

    Norms, biases and what the backbone itself exempts (position embeddings) do not decay. The backbone is
    `model.backbone`; all else counts as head, whose groups come last. Raises SettingsError as `check_optimiser`.
    """
    check_optimiser(settings)
    highest = settings.lr * (batch_size / BASE_BATCH) ** POWER[settings.batch_scaling]
    backbone: nn.Module = model.backbone  # type: ignore[assignment]
    scales = _backbone_scales(backbone, settings)
    exempt = _exempt(backbone)
    groups: dict[tuple[bool, float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim > 1 and name not in exempt
            key = (id(parameter) not in scales, scales.get(id(parameter), 1.0), decays)
            groups.setdefault(key, []).append(parameter)
    described: list[dict[str, Any]] = []
    for (_, scale, decays), parameters in sorted(groups.items(), key=lambda group: group[0][0]):
        decay = settings.weight_decay if decays else 0.0
        base = highest * scale
        described.append({"params": parameters, "lr": base, "weight_decay": decay, "base_lr": base})
    own = {"fused": True} if settings.name in FUSED else {}
    if not settings.momentum and (timm.optim.get_optimizer_info(settings.name).defaults or {}).get("nesterov"):
        own["nesterov"] = False  # it looks ahead along a momentum
    created: torch.optim.Optimizer = timm.optim.create_optimizer_v2(
        described,
        opt=settings.name,
        lr=highest,
        weight_decay=settings.weight_decay,
        momentum=settings.momentum,
        **own,
    )
    return created


def _backbone_scales(backbone: nn.Module, settings: OptimSettings) -> dict[int, float]:
    """By `id`, the rate of each of the backbone's weights as a share of the head's.

    `layer_decay` counts the five parts of geotune.model.stages, as `model.frozen_layers` does: stage 4 has the
    backbone's full rate, the stem decay^4 of it. timm's own layer groups number 5 on a ResNet, 8 on an EfficientNet
    and 13 on a ViT-B, so that one value would mean 0.24 of the rate for the first layers of one backbone and 0.02 for
    those of another (at 0.75): no setting to search together with the backbone.
    """
    scales = dict.fromkeys(map(id, backbone.parameters()), settings.backbone_lr_scale)
    if settings.layer_decay != 1:
        net: nn.Module = backbone.net  # type: ignore[assignment]
        parts = stages_of(net).parameters
        for part, names in enumerate(parts):
            for name in names:
                scales[id(net.get_parameter(name))] *= settings.layer_decay ** (len(parts) - 1 - part)
    return scales


def _exempt(backbone: nn.Module) -> set[str]:
    """Full names of the weights that a timm model's `no_weight_decay()` lists."""
    names: set[str] = set()
    for prefix, module in backbone.named_modules(prefix="backbone"):
        listed = getattr(module, "no_weight_decay", None)
        if callable(listed):
            names |= {f"{prefix}.{name}" for name in listed()}
    return names


def set_learning_rate(optimizer: torch.optim.Optimizer, settings: OptimSettings, step: int, steps: int) -> float:
    """Set every group's rate for step 0 ≤ `step` < `steps`; returns the head's.

    The rate depends on nothing but the step, so a resumed run needs no state of a schedule.
    """
    share = factor(settings.schedule, settings.warmup, step, steps, lowest=settings.min_lr)
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * share
    rate: float = optimizer.param_groups[-1]["lr"]  # the head's groups come last
    return rate


def factor(schedule: str, warmup: float, step: int, steps: int, *, lowest: float = 0.0) -> float:
    """Learning rate at a step as a share of the highest.

    onecycle is torch.optim.lr_scheduler.OneCycleLR (Smith & Topin 2018, cosine form): from 1/25 up to 1 over the
    warm-up, then down to 4e-6. cosine and constant rise linearly over the warm-up, then fall towards `lowest` or stay.
    """
    if schedule == "onecycle":
        peak = max(warmup * steps - 1, 0.0)
        if step < peak:
            return _cosine(START, 1.0, step / peak)
        return _cosine(1.0, END, (step - peak) / max(steps - 1 - peak, 1.0))
    rising = round(warmup * steps)
    if step < rising:
        return (step + 1) / (rising + 1)
    if schedule == "constant":
        return 1.0
    return _cosine(1.0, lowest, (step - rising) / max(steps - rising, 1))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * min(share, 1.0)))
