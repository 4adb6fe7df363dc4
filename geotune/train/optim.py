"""The optimiser, its parameter groups, and the learning rate as a pure function of the step."""

import difflib
import math
from typing import Any

import timm.optim
import torch
from torch import nn

from geotune.errors import SettingsError
from geotune.train.settings import OptimSettings

START = 1 / 25
"""First learning rate of a one-cycle schedule, as a share of the highest (torch's `div_factor`)."""
END = START / 1e4
"""Last learning rate of a one-cycle schedule, as a share of the highest (torch's `final_div_factor`)."""

FUSED = ("adam", "adamw")
"""Optimisers of torch that update all weights in one kernel, on CPUs too: a step of a head is mostly overhead."""


def check_optimiser(settings: OptimSettings) -> None:
    """Raises SettingsError with the nearest names when timm has no such optimiser."""
    known = timm.optim.list_optimizers()
    if settings.name not in known:
        near = difflib.get_close_matches(settings.name, known, n=3)
        mend = f"; did you mean {' or '.join(near)}?" if near else f"; it has {', '.join(known)}"
        raise SettingsError([("optim.name", f"timm has no optimiser {settings.name!r}{mend}")])


def optimiser(model: nn.Module, settings: OptimSettings) -> torch.optim.Optimizer:
    """An optimiser over the weights that are not frozen: backbone and head, each with and without weight decay.

    Norms, biases and what the backbone itself exempts (position embeddings) do not decay. The backbone is
    `model.backbone`; all else counts as head.
    """
    check_optimiser(settings)
    backbone: nn.Module = model.backbone  # type: ignore[assignment]
    inside = {id(parameter) for parameter in backbone.parameters()}
    exempt = _exempt(backbone)
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim > 1 and name not in exempt
            groups.setdefault((id(parameter) in inside, decays), []).append(parameter)
    described: list[dict[str, Any]] = []
    for (in_backbone, decays), parameters in groups.items():
        base = settings.lr * (settings.backbone_lr_scale if in_backbone else 1.0)
        decay = settings.weight_decay if decays else 0.0
        described.append({"params": parameters, "lr": base, "weight_decay": decay, "base_lr": base})
    fused = {"fused": True} if settings.name in FUSED else {}
    created: torch.optim.Optimizer = timm.optim.create_optimizer_v2(
        described, opt=settings.name, lr=settings.lr, weight_decay=settings.weight_decay, **fused
    )
    return created


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
    share = factor(settings.schedule, settings.warmup, step, steps)
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * share
    return settings.lr * share


def factor(schedule: str, warmup: float, step: int, steps: int) -> float:
    """Learning rate at a step as a share of the highest.

    onecycle is torch.optim.lr_scheduler.OneCycleLR (Smith & Topin 2018, cosine form): from 1/25 up to 1 over the
    warm-up, then down to 4e-6. cosine and constant rise linearly over the warm-up, then fall to 0 or stay.
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
    return _cosine(1.0, 0.0, (step - rising) / max(steps - rising, 1))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * min(share, 1.0)))
