"""A timm model as a source of pooled features: uint8 photos in, one vector a photo out."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from geotune.errors import GeotuneError
from geotune.model.dropout import swap
from geotune.model.stages import PARTS, stages_of
from geotune.model.weights import Weights, check_backbone, read_weights

FROZEN_WHOLE = PARTS


class Backbone(nn.Module):
    """Photos (B, H, W, 3) uint8 -> features (B, D).

    `features=last` is timm's own pooled output (final norm and, where the family has one, head convolution included);
    `stages` puts the averaged outputs of the two stages before it in front. Frozen parts stay in eval mode: their
    BatchNorm keeps the statistics that their weights were trained with.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str,
        weights: Weights | None,
        *,
        features: Literal["last", "stages"] = "last",
        sizes: Sequence[int] = (224,),
        frozen_layers: int = 0,
    ) -> None:
        """Build and load; random weights where `weights` is None. `sizes` are the photo sizes that it must take.

        Raises GeotuneError for an unknown name, weights that do not fit, or a photo size that the model cannot take.
        """
        super().__init__()
        check_backbone(name)
        self.name, self.features, self.frozen_layers = name, features, frozen_layers
        self.net = swap(_create(name, weights, list(sizes)))
        self.levels = self._levels()
        self._freeze()
        self.frozen_modules = [m for m in self.net.modules() if _is_frozen(m)] if frozen_layers else []
        config: Any = self.net.pretrained_cfg
        pixels = (tuple(config.get("mean", (0.5,) * 3)), tuple(config.get("std", (0.5,) * 3)))
        # Photos are bytes, scaled here after they have crossed to the GPU. In the state: timm may change its values.
        for buffer, values in zip(("mean", "std"), pixels, strict=True):
            self.register_buffer(buffer, torch.tensor(values).view(3, 1, 1) * 255)
        self.to(memory_format=torch.channels_last)  # twice as fast on a CPU, and what AMP wants on a GPU
        self.widths = {size: self._width(size) for size in sizes}

    def _levels(self) -> list[int]:
        """Of the two stages before the last, where they are of use: their indices in timm's `feature_info`."""
        if self.features == "last" and self.frozen_layers in (0, FROZEN_WHOLE):
            return []  # and no forward pass to find out
        levels = stages_of(self.net).levels[-3:-1]
        if not levels:
            what = "features=stages" if self.features == "stages" else f"frozen_layers={self.frozen_layers}"
            mend = "model.features=last" if self.features == "stages" else "model.frozen_layers to 0 or all"
            raise GeotuneError(f"model.{what}: {self.name} has no stages in timm", f"set {mend}")
        return levels

    def _freeze(self) -> None:
        if self.frozen_layers == FROZEN_WHOLE:
            self.net.requires_grad_(False)
        elif self.frozen_layers:
            for part in stages_of(self.net).parameters[: self.frozen_layers]:
                for parameter in part:
                    self.net.get_parameter(parameter).requires_grad_(False)

    def described(self) -> str:
        """What of it is frozen, in words: `resnet18, 3 of 5 parts frozen (up to layer2)`."""
        count = self.frozen_layers
        if count in (0, FROZEN_WHOLE):
            return f"{self.name}, {'all frozen' if count else 'nothing frozen'}"
        ends = stages_of(self.net).ends
        reached = [*[""] * (FROZEN_WHOLE - len(ends)), *ends][count - 1]
        return f"{self.name}, {count} of {PARTS} parts frozen ({f'up to {reached}' if reached else 'the stem'})"

    @property
    def is_frozen(self) -> bool:
        """Whether nothing of it is trained."""
        return self.frozen_layers == FROZEN_WHOLE

    def forward(self, images_BHWC: Tensor) -> Tensor:
        pixels_BCHW = normalised(images_BHWC, self.mean, self.std)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.is_frozen):
            return self._pooled(pixels_BCHW)

    def train(self, mode: bool = True) -> "Backbone":
        """Training mode for what is trained, eval mode for what is frozen."""
        super().train(mode)
        for module in self.frozen_modules:
            module.train(False)
        if self.is_frozen:
            super().train(False)
        return self

    def _pooled(self, pixels_BCHW: Tensor) -> Tensor:
        net: Any = self.net
        if self.features == "last":
            pooled: Tensor = net(pixels_BCHW)
            return pooled
        final, stages = net.forward_intermediates(pixels_BCHW, indices=self.levels, output_fmt="NCHW")
        averaged = [stage_BCHW.mean((2, 3)) for stage_BCHW in stages]
        return torch.cat([*averaged, net.forward_head(final)], dim=-1)

    @torch.no_grad()
    def _width(self, size: int) -> int:
        """D for photos of that size, tried out: not every family takes every size."""
        mode = self.training
        self.eval()
        try:
            return self(torch.zeros(1, size, size, 3, dtype=torch.uint8)).shape[-1]  # type: ignore[no-any-return]
        except (RuntimeError, AssertionError, ValueError, TypeError, IndexError) as error:
            config: Any = self.net.pretrained_cfg
            raise _wrong_size(self.name, [size], config, error) from error
        finally:
            self.train(mode)


def normalised(images_BHWC: Tensor, mean_C11: Tensor, std_C11: Tensor) -> Tensor:
    """Photos of bytes -> (photo - mean) / std, (B, C, H, W) float32 in channels_last, on the photos' device.

    Row by row, in place: an inner loop over the three colours takes four times as long on a CPU.
    """
    width = images_BHWC.shape[2]
    rows = images_BHWC.flatten(2).to(torch.float32, copy=True)
    rows.sub_(mean_C11.flatten().repeat(width)).div_(std_C11.flatten().repeat(width))
    # A permuted view of (B, H, W, C) is channels_last already.
    return rows.view(images_BHWC.shape).permute(0, 3, 1, 2)


def _is_frozen(module: nn.Module) -> bool:
    parameters = list(module.parameters())
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)


def _create(name: str, weights: Weights | None, sizes: list[int]) -> nn.Module:
    """The timm model without its classifier; families of one fixed size are told the sizes that they will see."""
    import timm
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(name)
    kwargs: dict[str, Any] = {"num_classes": 0}
    if config is not None and config.fixed_input_size and sizes != [config.input_size[-1]]:
        kwargs |= {"img_size": sizes[0]} if len(sizes) == 1 else {"dynamic_img_size": True}
    try:
        net: nn.Module = timm.create_model(name, **kwargs)
        if weights is None or weights.path is None:
            return net
        overlay: dict[str, Any] = {"file": str(weights.path)}
        if weights.path.suffix != ".npz":  # a foreign format, which timm's own model reads
            expected = net.state_dict()
            state = read_weights(weights, expected)
            if all(key in state and state[key].shape == value.shape for key, value in expected.items() if value.ndim):
                net.load_state_dict({key: state.get(key, value) for key, value in expected.items()})
                return net
            overlay = {"state_dict": state, "custom_load": False}
        # timm knows how each family's weights fit another photo size, and older files newer code.
        loaded: nn.Module = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, **kwargs)
        return loaded
    except (RuntimeError, AssertionError, ValueError, TypeError) as error:
        if "img_size" in kwargs or "dynamic_img_size" in kwargs:
            raise _wrong_size(name, sizes, config.to_dict(), error) from error
        if weights is not None and weights.source in ("file", "folder"):
            reason = " ".join(str(error).split())[:200]
            raise GeotuneError(
                f"{weights.path}: not the weights of {name} ({reason})", "check model.backbone"
            ) from error
        raise


def _wrong_size(name: str, sizes: list[int], config: dict[str, Any], error: Exception) -> GeotuneError:
    native = config.get("input_size", (3, 224, 224))[-1]
    given = ", ".join(map(str, sizes))
    return GeotuneError(
        f"input.sizes={given}: {name} cannot take photos of that size ({' '.join(str(error).split())[:120]})",
        f"its own size is {native}: set input.sizes={native}",
    )
