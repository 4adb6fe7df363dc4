"""The whole model: photos through backbone and head to places; built from settings, rebuilt from plain data."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from geotune import config
from geotune.errors import GeotuneError
from geotune.model.backbone import Backbone
from geotune.model.geography import Geography
from geotune.model.heads.base import Answers, Candidates, Fitted, Head, Outputs, Targets
from geotune.model.heads.custom import check_allowed, trust
from geotune.model.settings import InputSettings, ModelSettings
from geotune.model.weights import Weights, find_weights

__all__ = ["Answers", "Candidates", "Geography", "Geolocator", "Outputs", "Targets"]

PLAIN_FORMAT = 1
"""Version of what `Geolocator.plain` gives."""


class Geolocator(nn.Module):
    """Photos (B, H, W, 3) uint8 -> outputs of the head -> `Answers`.

    `backbone` and `head` are its two parts. The head takes raw features and standardises them itself, so features of
    a frozen backbone can be computed once and shared.
    """

    def __init__(
        self,
        model: ModelSettings,
        input: InputSettings,
        geography: Geography,
        fitted: Fitted,
        *,
        weights: Weights | None = None,
        seed: int = 0,
    ) -> None:
        """Use `build` for training and `rebuild` afterwards."""
        super().__init__()
        self.model_settings, self.input_settings = model, input
        self.geography, self.fitted = geography, fitted
        self.starting_weights = weights.about() if weights else {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.backbone = Backbone(
                model.backbone,
                weights,
                features=model.features,
                sizes=input.sizes,
                frozen_layers=model.frozen_layers,
            )
            width = sum(self.backbone.widths[size] for size in input.sizes)
            self.head: Head = model.head.build(width, geography, fitted)

    # ------------------------------------------------------------------------------------ making

    @classmethod
    def build(
        cls,
        model: ModelSettings,
        input: InputSettings,
        lat_deg: ArrayLike,
        lon_deg: ArrayLike,
        *,
        seed: int = 0,
        weights: Weights | None = None,
        geography: Geography | None = None,
    ) -> "Geolocator":
        """A model to be trained on photos at (N,) degrees; everything random in it follows from the seed.

        Raises GeotuneError for an unknown backbone, weights that cannot be found, a photo size it does not take.
        """
        if weights is None:
            weights = find_weights(model.backbone, model.weights)
        if geography is None:
            geography = Geography.of(lat_deg, lon_deg)
        trust(model.head)
        fitted = model.head.fit(geography, lat_deg, lon_deg, seed)
        return cls(model, input, geography, fitted, weights=weights, seed=seed)

    def plain(self) -> dict[str, Any]:
        """Everything but the tensors, as JSON-able data: with `state_dict()` it makes the model again."""
        return {
            "format": PLAIN_FORMAT,
            "model": self.model_settings.model_dump(mode="json"),
            "input": self.input_settings.model_dump(mode="json"),
            "geography": asdict(self.geography),
            "fitted": self.fitted,
        }

    @classmethod
    def rebuild(
        cls, plain: Mapping[str, Any], *, weights: Weights | None = None, allow: Sequence[str] = ()
    ) -> "Geolocator":
        """A model from `plain()`: without its training set, and without reading weights where none are given.

        Its tensors are random until `load_state_dict`. A custom head's code is run only where its package is among
        `allow` or this process trains with it. Raises GeotuneError otherwise, and where the data is not what `plain`
        gives.
        """
        if plain.get("format") != PLAIN_FORMAT:
            raise GeotuneError(
                f"this model has format {plain.get('format')!r}; this version of geotune reads {PLAIN_FORMAT}",
                "pip install --upgrade geotune",
            )
        try:
            check_allowed(plain["model"].get("head", {}), allow)
            model = config.build(ModelSettings, plain["model"], "the model's settings")
            input_ = config.build(InputSettings, plain["input"], "the model's settings")
            return cls(model, input_, Geography(**plain["geography"]), dict(plain["fitted"]), weights=weights)
        except (KeyError, TypeError, ValueError) as error:
            raise GeotuneError(f"the model's description is damaged ({error!r})", "export the model again") from error

    def described(self) -> str:
        """What is frozen and how much is trained, in a sentence for the first lines of a run."""
        total, trained = (sum(p.numel() for p in self.parameters() if p.requires_grad or every) for every in (1, 0))
        head = sum(parameter.numel() for parameter in self.head.parameters())
        weights = f", weights {self.starting_weights['tag']}" if self.starting_weights else ""
        return (
            f"{self.backbone.described()}; {_millions(trained)} of {_millions(total)} parameters train"
            f" (head {_millions(head)}){weights}"
        )

    # ------------------------------------------------------------------------------------ using

    @property
    def size(self) -> int:
        """The side in pixels of the photos that `forward` and `predict` take."""
        return max(self.input_settings.sizes)

    def feature_width(self, size: int) -> int:
        """D_s, the number of features of a photo of one of `input.sizes`."""
        return self.backbone.widths[size]

    def pooled(self, images_BHWC: Tensor) -> Tensor:
        """Features (B, D_s) of photos of one of `input.sizes`."""
        pooled: Tensor = self.backbone(images_BHWC)
        return pooled

    def features(self, images_BHWC: Tensor) -> Tensor:
        """Raw features (B, D) of photos of side `size`: those of every one of `input.sizes`, in that order."""
        return torch.cat([self.pooled(resized(images_BHWC, size)) for size in self.input_settings.sizes], dim=-1)

    def forward(self, images_BHWC: Tensor) -> Outputs:
        """Photos of side `size` -> what the head computes of them."""
        outputs: Outputs = self.head(self.features(images_BHWC))
        return outputs

    def fit_standardisation(self, features: Iterable[Tensor]) -> None:
        """Fix mean and spread of the features by batches (b, D) of raw ones of plain training photos."""
        self.head.standardise.fit(features)

    def targets(self, lat_deg: ArrayLike, lon_deg: ArrayLike) -> Targets:
        """Degrees (N,) -> what the loss needs, on the CPU; a batch is `{k: v[index] for k, v in targets.items()}`."""
        return self.head.targets(lat_deg, lon_deg)

    def loss(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Means over the photos: `loss`, the one to differentiate, and its parts."""
        return self.head.loss(outputs, targets)

    def decode(self, outputs: Outputs) -> Answers:
        """Outputs -> places, on the CPU in float64."""
        return self.head.decode(outputs)

    @torch.inference_mode()
    def predict(self, images_BHWC: NDArray[np.uint8] | Tensor) -> Answers:
        """Photos of side `size` -> places, in eval mode, on whichever device the model is."""
        images = torch.as_tensor(images_BHWC).to(self.backbone.mean.device)
        mode = self.training
        self.eval()
        try:
            return self.decode(self(images))
        finally:
            self.train(mode)

    # ------------------------------------------------------------------------------------ keeping

    def trainable_state(self) -> dict[str, Tensor]:
        """`state_dict` without the frozen part of the backbone, whose weights are on disk already."""
        frozen = self._frozen_names()
        return {name: tensor for name, tensor in self.state_dict().items() if name not in frozen}

    def load_trainable_state(self, state: Mapping[str, Tensor]) -> None:
        """Take what `trainable_state` gave. Raises GeotuneError where it is of another model."""
        expected = {name: tensor.shape for name, tensor in self.trainable_state().items()}
        if {name: tensor.shape for name, tensor in state.items()} != expected:
            raise GeotuneError(
                "the checkpoint is of a model with other settings", "train with the settings it was made with"
            )
        self.load_state_dict(dict(state), strict=False)

    def _frozen_names(self) -> set[str]:
        modules = {id(module) for module in self.backbone.frozen_modules}
        names: set[str] = set()
        for prefix, module in self.backbone.named_modules(prefix="backbone"):
            if id(module) in modules:
                names |= {f"{prefix}.{name}" for name in module.state_dict()}
        names |= {f"backbone.{n}" for n, p in self.backbone.named_parameters() if not p.requires_grad}
        return names


def resized(images_BHWC: Tensor, size: int) -> Tensor:
    """Photos of that side: as they are, or averaged down, as the data cache would have."""
    if images_BHWC.shape[1:3] == (size, size):
        return images_BHWC
    pixels_BCHW = images_BHWC.permute(0, 3, 1, 2).float()
    resized = interpolate(pixels_BCHW, (size, size), mode="bilinear", antialias=True, align_corners=False)
    return resized.round().clamp(0, 255).permute(0, 2, 3, 1)


def _millions(count: int) -> str:
    """`11.2 M`; below 0.1 M the number itself."""
    return f"{count:,}" if count < 100_000 else f"{count / 1e6:.1f} M"
