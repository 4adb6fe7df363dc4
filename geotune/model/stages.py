"""The stem and four stages of any timm model: what `frozen_layers` and `features=stages` mean for every family.

A stage ends where timm's `feature_info` says that a level of features ends: the last four levels are the stages, all
before them is the stem, all after the last (a final norm, a 1x1 convolution) belongs to the fourth stage. Where all
levels have one reduction (a ViT's blocks) they are four equal parts. Families with fewer levels lack the first stages.
What stands before what follows from a forward pass, not from the order of definition: twins and coat define all their
patch embeddings before the first block. (timm's own `group_matcher` counts 5 groups on a ResNet, 8 on an EfficientNet,
13 on a ViT-B: not comparable.)
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

STAGES = 4
PARTS = STAGES + 1
"""With the stem."""
ALIASES = {"block.": ("stages.", "blocks."), "stage1": ("layer1",)}
"""What some families' `feature_info` calls a module (mvitv2 and twins; hrnet), and what it is called in the model."""
_KNOWN: WeakKeyDictionary[nn.Module, "Stages"] = WeakKeyDictionary()


@dataclass(frozen=True)
class Stages:
    """How a model divides into stem and stages."""

    parameters: list[list[str]]
    """Five lists of parameter names in the order of computation: stem, stages 1 to 4."""
    levels: list[int]
    """For each stage that exists, the last of them the fourth, the index of its last level in `feature_info`."""
    ends: list[str]
    """For each of `levels`, the module that ends there."""


def stages_of(net: nn.Module) -> Stages:
    """The stages of a timm model; where its levels are no modules of their own, it is all fourth stage."""
    if net not in _KNOWN:
        _KNOWN[net] = _divided(net)
    return _KNOWN[net]


def _divided(net: nn.Module) -> Stages:
    info: Any = getattr(net, "feature_info", None) or []
    levels: list[dict[str, Any]] = list(getattr(info, "info", info))
    named = {
        _module_name(net, level["module"]): index for index, level in enumerate(levels)
    }  # crossvit names them twice
    modules, index = list(named), list(named.values())
    groups = _grouped([levels[i] for i in index])
    names = _in_order(net)
    if not groups or not all(modules[group[-1]] for group in groups):
        return Stages([[], [], [], [], names], [], [])
    # Where the first stage starts: after the level before it, or else where its own first module starts.
    first = groups[0][0]
    before = modules[first - 1] if first else ""
    start = _span(names, before)[1] if before else _span(names, modules[first])[0]
    ends = [modules[group[-1]] for group in groups]
    bounds = [0, start, *[start] * (STAGES - len(groups))]  # stages that the family lacks are empty
    for end in ends[:-1]:
        bounds.append(max(bounds[-1], _span(names, end)[1]))
    bounds.append(len(names))
    parameters = [names[start:stop] for start, stop in pairwise(bounds)]
    return Stages(parameters, [index[group[-1]] for group in groups], ends)


def _grouped(levels: list[dict[str, Any]]) -> list[list[int]]:
    """The indices of the levels that make up each stage, at most four."""
    count = len(levels)
    if count > STAGES and len({level["reduction"] for level in levels}) == 1:
        edges = [count * part // STAGES for part in range(STAGES + 1)]
        return [list(range(start, stop)) for start, stop in pairwise(edges)]
    return [[index] for index in range(max(0, count - STAGES), count)]


def _module_name(net: nn.Module, level: str) -> str:
    """The module that a level names, "" where it is none with parameters."""
    candidates = [
        level,
        *(level.replace(old, new) for old, others in ALIASES.items() for new in others if old in level),
    ]
    for name in candidates:
        try:
            if name and next(net.get_submodule(name).parameters(), None) is not None:
                return name
        except AttributeError:
            continue
    return ""


def _span(names: list[str], module: str) -> tuple[int, int]:
    """Where the first and behind the last of a module's parameters stand among `names`."""
    places = [place for place, name in enumerate(names) if name.startswith(f"{module}.")]
    return places[0], places[-1] + 1


def _in_order(net: nn.Module) -> list[str]:
    """The names of all parameters, by when the module that owns them is first called; as defined where none is."""
    called = _call_order(net)
    owners = {name: list(_owners(name)) for name, _ in net.named_parameters()}
    when = {name: next((called[owner] for owner in found if owner in called), 0) for name, found in owners.items()}
    return sorted(when, key=when.__getitem__)  # stable: what is called together stays as defined


def _owners(parameter: str) -> Iterator[str]:
    """The modules around a parameter, from the inside: one whose weight another module uses is itself never called."""
    while parameter:
        parameter = parameter.rpartition(".")[0]
        yield parameter


def _call_order(net: nn.Module) -> dict[str, int]:
    """Module -> which call of a forward pass without data was its first; empty where that cannot be told."""
    config: Any = getattr(net, "pretrained_cfg", {})
    built_for = (getattr(module, "img_size", None) for module in net.modules())
    size: Any = next((found for found in built_for if found), None) or config.get("input_size", (3, 224, 224))[-2:]
    height, width = size if isinstance(size, tuple | list) else (size, size)
    tensors = {name: value.to("meta") for name, value in [*net.named_parameters(), *net.named_buffers()]}
    called: dict[str, int] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(*_: object) -> None:
            called.setdefault(name, len(called))

        return hook

    hooks = [module.register_forward_pre_hook(note(name)) for name, module in net.named_modules()]
    training = [module for module in net.modules() if module.training]
    net.eval()
    try:
        with torch.no_grad():
            torch.func.functional_call(net, tensors, torch.zeros(1, 3, height, width, device="meta"))
    except Exception:  # a size that it does not take, a tensor that is no buffer
        called = {}
    finally:
        for hook in hooks:
            hook.remove()
        for module in training:
            module.training = True
    return called
