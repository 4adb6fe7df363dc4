"""What a model is made of: `model.*` and `input.*`. The union `HeadSettings` is the registry of heads."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from geotune.config import Settings, Spellings
from geotune.data.augment.policy import KINDS, Augmentation, Policy
from geotune.model.heads.cells import CellsSettings
from geotune.model.heads.custom import CustomSettings
from geotune.model.heads.hierarchical import HierarchicalSettings
from geotune.model.heads.hybrid import HybridSettings
from geotune.model.heads.mixture import MixtureSettings
from geotune.model.heads.multitask import MultitaskSettings
from geotune.model.heads.regression import RegressionSettings
from geotune.model.heads.retrieval import RetrievalSettings
from geotune.model.stages import PARTS

HeadSettings = Annotated[
    RegressionSettings
    | CellsSettings
    | HybridSettings
    | HierarchicalSettings
    | MultitaskSettings
    | MixtureSettings
    | RetrievalSettings
    | CustomSettings,
    Field(discriminator="name"),
]
"""A new head is one file in `heads/` and one word here."""


def _frozen(value: Any) -> Any:
    """`all` is 5; -1, which leaves the last part trainable, is 4, and so on to -5."""
    if value == "all":
        return PARTS
    if isinstance(value, bool):
        return str(value)  # no number: refused
    if not isinstance(value, int) or value >= 0:
        return value
    if value < -PARTS:
        raise ValueError(f"expected 0 to {PARTS}, all, or -1 to -{PARTS}: so many of the last parts stay trainable")
    return PARTS + value


def _located(value: Any) -> Any:
    """Where the weights lie, whatever folder a worker runs in."""
    path = Path(value).expanduser() if isinstance(value, str) and value not in ("", "auto", "none") else None
    return str(path.absolute()) if path and path.exists() else value


WINNER = "winner"
"""`model.start` of a search's full training: the best trial's model."""
SHAPING = (
    "model.backbone",
    "model.features",
    "model.head.name",
    "model.head.kind",
    "model.head.cells",
    "model.head.cells_file",
    "model.head.levels",
    "model.head.branching",
    "model.head.components",
    "model.head.hidden",
    "model.head.path",
    "model.head.options",
)
"""Settings that decide what the weights stand for: a training has them from the model that it begins with."""


def _located_model(value: Any) -> Any:
    """As `_located`; `winner` is a word, whatever folder there is."""
    return value if value == WINNER else _located(value)


class ModelSettings(Settings):
    """`model.*`: the backbone, how much of it is trained, and the head."""

    backbone: str = "resnet18"
    """Any timm model by name, such as resnet50, convnext_tiny or vit_small_patch16_224"""
    weights: Annotated[str, Spellings(_located)] = "auto"
    """auto (a package's for tf_efficientnet_lite0, else timm's hub), none, a file, or a folder of files named by tag"""
    start: Annotated[str, Spellings(_located_model)] = ""
    """Folder of a trained model whose weights, cells and frame it begins with. Under full: of a space also winner"""
    frozen_layers: Annotated[int, Spellings(_frozen), "whole number | all"] = Field(0, ge=0, le=PARTS)
    """How much of it stays as it is: 0 nothing, 1 the stem, 2 to 4 also first stages, all = 5; -1: all but the last"""
    features: Literal["last", "stages"] = "last"
    """The pooled last stage, or the last three stages pooled and concatenated"""
    head: HeadSettings = RegressionSettings()


Share = Annotated[float, Field(ge=0, le=0.9)] | None


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, int) and not isinstance(value, bool) else value


class InputSettings(Settings):
    """`input.*`: how photos reach the model."""

    sizes: Annotated[list[int], BeforeValidator(_listed)] = [224]
    """Side of the square photos in pixels; several sizes: their features are concatenated"""
    augment: Policy = "light"
    """How training photos are varied (geotune data augment tells how); validation and test photos never are"""
    strength: float = Field(1.0, ge=0, le=4)
    """Factor on all strengths of input.augment"""
    views: int = Field(4, ge=0, le=64)
    """Fixed views of a training photo, one of them plain, where all of the backbone or all but its last stage is frozen
    (model.frozen_layers=5 or 4): what is frozen sees each once, for all epochs. 0: a new view in every pass"""
    mirror: bool = False
    """Half of the training photos mirrored: signs and streets are not symmetric, so only where that cannot matter"""
    fused: bool = False
    """Vary photos by one warp, one colour matrix and one table: faster than albumentations, almost the same pixels"""
    fraction: float = Field(1.0, gt=0, le=1)
    """Share of the training photos to train on, always the same ones: those of 0.05 are among those of 0.1"""
    crop: Share = None
    """Own strength in place of the policy's: a crop leaves out up to this share of the photo"""
    rotate: Annotated[float, Field(ge=0, le=180)] | None = None
    """Own strength: tilted by up to so many degrees"""
    shear: Annotated[float, Field(ge=0, le=45)] | None = None
    """Own strength: sheared by up to so many degrees"""
    perspective: Annotated[float, Field(ge=0, le=0.3)] | None = None
    """Own strength: corners moved by up to this share of the side"""
    light: Share = None
    """Own strength: brightness and contrast changed by up to this share"""
    colour: Share = None
    """Own strength: saturation changed by up to this share"""
    balance: Annotated[float, Field(ge=0, le=0.5)] | None = None
    """Own strength: red, green and blue each changed by up to this share"""
    gamma: Share = None
    """Own strength: gamma changed by up to this share"""
    grey: Annotated[float, Field(ge=0, le=1)] | None = None
    """Own strength: this share of the photos loses its colour"""
    coarse: Annotated[float, Field(ge=0, le=1)] | None = None
    """Own strength: this share is compressed again, to a JPEG quality of 40 to 90"""
    blur: Annotated[float, Field(ge=0, le=1)] | None = None
    """Own strength: this share is out of focus"""
    erase: Annotated[float, Field(ge=0, le=1)] | None = None
    """Own strength: this share has a patch of one colour in it"""

    @property
    def augmentation(self) -> Augmentation:
        """What happens to a training photo."""
        own = {kind: getattr(self, kind) for kind in KINDS}
        return Augmentation.of(self.augment, self.strength, mirror=self.mirror, fused=self.fused, own=own)

    @field_validator("sizes")
    @classmethod
    def _sizes(cls, sizes: list[int]) -> list[int]:
        if not sizes or any(not 16 <= size <= 2048 for size in sizes) or len(set(sizes)) != len(sizes):
            raise ValueError("expected one or several different photo sizes, each 16 to 2048 pixels, such as 224")
        return sizes
