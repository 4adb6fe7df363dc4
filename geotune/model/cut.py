"""A backbone in two: in front what is frozen, whose output can be computed once, and the rest, which is trained.

The cut is where the third stage ends (`model.frozen_layers=4`). The rest is the timm model itself with all modules in
front of the cut replaced by ones that do nothing: a shallow copy, so its weights are the model's own. That holds for
every family whose stages are a chain; `cut` tries it out and gives None for the others.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from geotune.model.backbone import FROZEN_WHOLE, Backbone, normalised
from geotune.model.stages import stages_of


@dataclass(frozen=True)
class Form:
    """How a photo's values stand in a row: the pooled earlier stage, then the map where the cut is."""

    pooled: int
    map: tuple[int, ...]
    """Its shape, without the photos."""
    channels_last: bool
    """Whether (C, H, W) lies in memory as (H, W, C), and so in the row."""

    @property
    def width(self) -> int:
        """V, the number of values of a photo."""
        return self.pooled + int(torch.Size(self.map).numel())


class Cut:
    """`rest(front(photos))` is what the backbone gives for photos. Use `cut` to make one."""

    def __init__(self, backbone: Backbone, sizes: Sequence[int]) -> None:
        self._backbone = backbone
        levels = backbone.levels if backbone.features == "stages" else backbone.levels[-1:]
        self._level = backbone.levels[-1]
        info: Any = backbone.net.feature_info
        paths = [getattr(info, "info", info)[level]["module"] for level in levels]
        self._ends = [backbone.net.get_submodule(path) for path in paths]
        self._copies: list[nn.Module] = []
        self._rest: Any = self._without(backbone.net, paths[-1])
        if hasattr(self._rest, "_pos_embed"):  # a ViT's, which is no module
            vars(self._rest)["_pos_embed"] = _Passing()
        device = backbone.mean.device
        self.forms = {size: self._form(torch.zeros(1, size, size, 3, dtype=torch.uint8).to(device)) for size in sizes}

    @torch.no_grad()
    def front(self, images_BHWC: Tensor) -> Tensor:
        """Photos of one of the sizes -> the frozen part's output, a row (B, V) each."""
        *pooled_BC, map_ = self._outputs(images_BHWC)
        if self.forms[images_BHWC.shape[1]].channels_last:
            map_ = map_.permute(0, 2, 3, 1)
        return torch.cat([*pooled_BC, map_.flatten(1)], dim=1)

    def rest(self, rows_BV: Tensor, size: int) -> Tensor:
        """Rows of photos of that size -> features (B, D), in the mode (training or not) that the backbone is in."""
        for module in self._copies:
            module.training = self._backbone.net.training
        form = self.forms[size]
        pooled_BC, map_ = rows_BV[:, : form.pooled], rows_BV[:, form.pooled :]
        if form.channels_last:
            channels, height, width = form.map
            map_ = map_.reshape(-1, height, width, channels).permute(0, 3, 1, 2)
        else:
            map_ = map_.reshape(-1, *form.map)
        if self._backbone.features == "last":
            return cast(Tensor, self._rest(map_))
        final, (stage,) = self._rest.forward_intermediates(map_, indices=[self._level], output_fmt="NCHW")
        return torch.cat([pooled_BC, stage.mean((2, 3)), self._rest.forward_head(final)], dim=-1)

    def _form(self, photo_BHWC: Tensor) -> Form:
        mode = self._backbone.training
        self._backbone.eval()
        *pooled_BC, map_ = self._outputs(photo_BHWC)
        self._backbone.train(mode)
        channels_last = map_.ndim == 4 and map_.is_contiguous(memory_format=torch.channels_last)
        return Form(sum(p.shape[1] for p in pooled_BC), tuple(map_.shape[1:]), channels_last)

    @torch.no_grad()
    def _outputs(self, images_BHWC: Tensor) -> list[Tensor]:
        """The pooled output of the stage before, where it is wanted, and the output where the cut is."""
        found: list[Tensor] = []

        def keep(module: nn.Module, _: object, output: Tensor) -> None:
            found.append(output if module is self._ends[-1] else output.mean((2, 3)))
            if module is self._ends[-1]:
                raise _Enough

        hooks = [module.register_forward_hook(keep) for module in self._ends]
        try:
            self._backbone.net(normalised(images_BHWC, self._backbone.mean, self._backbone.std))
        except _Enough:
            pass
        finally:
            for hook in hooks:
                hook.remove()
        return found

    def _without(self, module: nn.Module, path: str) -> nn.Module:
        """A shallow copy in which the module at `path`, and all that stand in front of it, pass on what they get."""
        changed = copy.copy(module)
        changed._modules = dict(module._modules)
        self._copies.append(changed)
        first, _, below = path.partition(".")
        for name, child in module._modules.items():
            if name == first:
                changed._modules[name] = self._without(cast(nn.Module, child), below) if below else _Passing()
                break
            changed._modules[name] = _Passing()
        return changed


class _Passing(nn.Module):
    def forward(self, given: Tensor, *_: object) -> Tensor:
        return given


class _Enough(Exception):  # noqa: N818 - no error: ends a forward pass where the cut is
    pass


def cut(backbone: Backbone, sizes: Sequence[int]) -> Cut | None:
    """A backbone of which only the last stage is trained, cut there; None for others, and where it does not hold.

    It holds where the two parts give the backbone's very features for two photos of noise of every size.
    """
    if backbone.frozen_layers in (0, FROZEN_WHOLE) or not _all_but_last_frozen(backbone.net):
        return None
    mode = backbone.training
    backbone.eval()
    try:
        made = Cut(backbone, sizes)
        with torch.no_grad():
            return made if all(_holds(made, backbone, size) for size in sizes) else None
    except Exception:  # whatever a timm model does when its modules do nothing
        return None
    finally:
        backbone.train(mode)


def _all_but_last_frozen(net: nn.Module) -> bool:
    names = [name for part in stages_of(net).parameters[:-1] for name in part]
    return bool(names) and not any(net.get_parameter(name).requires_grad for name in names)


def _holds(made: Cut, backbone: Backbone, size: int) -> bool:
    noise = torch.randint(0, 256, (2, size, size, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    photos = noise.to(backbone.mean.device)
    return torch.equal(made.rest(made.front(photos), size), backbone(photos))
