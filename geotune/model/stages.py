"""The stem and four stages of any timm model: what `frozen_layers` and `features=stages` mean for every family.

A stage ends where timm's `feature_info` says that a level of features ends: the last four levels are the stages, all
before them is the stem, all after the last (a final norm, a 1x1 convolution) belongs to the fourth stage. Where all
levels have one reduction (a ViT's blocks) they are four equal parts. Families with fewer levels lack the first stages.
(timm's own `group_matcher` counts 5 groups on a ResNet, 8 on an EfficientNet, 13 on a ViT-B: not comparable.)
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from torch import nn

STAGES = 4


@dataclass(frozen=True)
class Stages:
    """How a model divides into stem and stages."""

    parameters: list[list[str]]
    """Five lists of parameter names in the order of computation: stem, stages 1 to 4."""
    levels: list[int]
    """For each stage that exists, the last of them the fourth, the index of its last level in `feature_info`."""


def stages_of(net: nn.Module) -> Stages:
    """The stages of a timm model; where its levels are no modules of their own (hrnet), it is all fourth stage."""
    info: Any = getattr(net, "feature_info", None) or []
    levels: list[dict[str, Any]] = list(getattr(info, "info", info))
    starts, ends = _positions(net)
    names = [name for name, _ in net.named_parameters()]
    if not all(level["module"] in ends for level in levels):
        return Stages([[], [], [], [], names], [])
    groups = _grouped(levels)
    # Where the first stage starts: after the level before it, or else where its own first module starts.
    first = groups[0][0] if groups else 0
    if first:
        bounds = [ends[levels[first - 1]["module"]]]
    elif levels:
        bounds = [starts[levels[0]["module"]]]
    else:
        bounds = [0]
    bounds += bounds * (STAGES - len(groups))  # stages that the family lacks are empty
    bounds += [ends[levels[group[-1]]["module"]] for group in groups[:-1]]
    bounds = [0, *bounds, len(names)]
    parameters = [names[start:stop] for start, stop in pairwise(bounds)]
    return Stages(parameters, [group[-1] for group in groups])


def _grouped(levels: list[dict[str, Any]]) -> list[list[int]]:
    """The indices of the levels that make up each stage, at most four."""
    count = len(levels)
    if count > STAGES and len({level["reduction"] for level in levels}) == 1:
        edges = [count * part // STAGES for part in range(STAGES + 1)]
        return [list(range(start, stop)) for start, stop in pairwise(edges)]
    return [[index] for index in range(max(0, count - STAGES), count)]


def _positions(net: nn.Module) -> tuple[dict[str, int], dict[str, int]]:
    """For every module, how many parameters stand before it and up to its end, in the order of definition."""
    starts: dict[str, int] = {}
    ends: dict[str, int] = {}
    count = 0
    for name, module in net.named_modules():
        starts[name] = count
        count += len(module._parameters) - list(module._parameters.values()).count(None)
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            ends[".".join(parts[:depth])] = count
    return starts, ends
