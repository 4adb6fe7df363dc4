"""Made-up trials whose backbones start slowly or fast: a space, and how each config's error falls epoch by epoch."""

import math
import random
from collections.abc import Callable
from typing import Any

from geotune.search.executors.curves import Curve
from geotune.train.settings import TrainConfig

EPOCHS = 30
BASELINE_M = 264.0
FAMILIES: dict[str, dict[str, tuple[float, float, float]]] = {
    "crossing": {
        "resnet18": (1.30, 1.5, 5), "efficientnet_b0": (1.15, 2.5, 8), "resnet50": (1.10, 4, 10),
        "resnet101": (1.0, 5, 14), "convnext_tiny": (0.92, 8, 20),
    },
    "mixed": {
        "resnet18": (1.30, 2, 5), "efficientnet_b0": (1.05, 3.5, 8), "resnet50": (1.10, 2, 10),
        "resnet101": (1.0, 2, 14), "convnext_tiny": (0.95, 6, 20),
    },
    "aligned": {
        "resnet18": (1.30, 4, 10), "efficientnet_b0": (1.15, 3.5, 10), "resnet50": (1.10, 3, 10),
        "resnet101": (1.0, 2, 10), "convnext_tiny": (0.92, 2, 12),
    },
}  # fmt: skip
"""By backbone: the error that it ends at (a factor), how slowly it starts (epochs), seconds an epoch. The better ones
start more slowly (crossing), some of them do (mixed), or they start faster (aligned)."""
SPACE: dict[str, Any] = {
    "sampler": "random",
    "base": {"train.epochs": EPOCHS},
    "search": {
        "model.backbone": {"choice": list(FAMILIES["crossing"])},
        "model.frozen_layers": {"int": [0, 5]},
        "model.head.dropout": {"uniform": [0.0, 0.5]},
        "optim.lr": {"log": [1e-5, 1e-2]},
    },
}
SCHEDULE = 0.25
"""The share of what a training gains that comes only as the learning rate is annealed."""
NOISE = 0.03
"""Standard deviation of a measured error, as a share of it: that of some hundred validation photos."""


def family(name: str) -> Callable[[TrainConfig], Curve]:
    """The curves of a family."""

    def curve(config: TrainConfig) -> Curve:
        errors, seconds = _errors(name, config), _seconds(name, config)
        chance = random.Random(config.model_dump_json())
        noisy = [error * chance.lognormvariate(0, NOISE) for error in errors]
        metrics = tuple(
            {"valid/median_m": error, "valid/baseline_m": BASELINE_M, "train/seconds": seconds} for error in noisy
        )
        return Curve((seconds,) * EPOCHS, metrics)

    return curve


def end(name: str, config: TrainConfig) -> float:
    """The error in metres that a config's training ends at, without noise."""
    return _errors(name, config)[-1]


def _errors(name: str, config: TrainConfig) -> list[float]:
    factor, slow, _ = FAMILIES[name][config.model.backbone]
    off, frozen, dropout = math.log10(config.optim.lr) + 3.3, config.model.frozen_layers, config.model.head.dropout
    chance = random.Random(f"{config.optim.lr} {dropout}")
    if off > 0.9 and chance.random() < 0.6:  # too high a learning rate: it learns nothing
        return [BASELINE_M] * EPOCHS
    least = min(70 * factor * (1 + 0.25 * off**2 + 1.2 * (dropout - 0.3) ** 2 + 0.02 * (frozen - 2) ** 2), BASELINE_M)
    slow *= 10 ** (-0.45 * min(off, 0.5)) * (1.3 if frozen == 0 else 1)
    errors, steps = [], 0.0
    for epoch in range(1, EPOCHS + 1):
        steps += min(1.0, epoch / (0.1 * EPOCHS))  # the learning rate rises over the first tenth
        learnt = (1 - SCHEDULE) * math.exp(-((steps / slow) ** 0.9)) + 0.5 * SCHEDULE * math.exp(-steps / (3 * slow))
        annealed = 0.25 * SCHEDULE * (1 + math.cos(math.pi * epoch / EPOCHS))
        errors.append(least + (BASELINE_M - least) * (learnt + annealed))
    return errors


def _seconds(name: str, config: TrainConfig) -> float:
    return FAMILIES[name][config.model.backbone][2] * (1 - 0.08 * config.model.frozen_layers)
