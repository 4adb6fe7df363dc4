"""What a model is made of: `model.*` and `input.*`. The union `HeadSettings` is the registry of heads."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from geotune.config import Settings
from geotune.model.heads.cells import CellsSettings
from geotune.model.heads.hybrid import HybridSettings
from geotune.model.heads.regression import RegressionSettings

HeadSettings = Annotated[RegressionSettings | CellsSettings | HybridSettings, Field(discriminator="name")]
"""A new head is one file in `heads/` and one word here."""


class ModelSettings(Settings):
    """`model.*`: the backbone, how much of it is trained, and the head."""

    backbone: str = "resnet18"
    """Any timm model by name, such as resnet50, convnext_tiny or vit_small_patch16_224"""
    weights: str = "auto"
    """auto (a packaged file for tf_efficientnet_lite0, else timm's hub), none, or a .safetensors or .pth file"""
    frozen_layers: int = Field(0, ge=0, le=5)
    """How much of the backbone keeps its weights: 0 nothing, 1 the stem, 2 to 4 also its first stages, 5 all of it"""
    features: Literal["last", "stages"] = "last"
    """The pooled last stage, or the last three stages pooled and concatenated"""
    head: HeadSettings = RegressionSettings()


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, int) and not isinstance(value, bool) else value


class InputSettings(Settings):
    """`input.*`: how photos reach the model."""

    sizes: Annotated[list[int], BeforeValidator(_listed)] = [224]
    """Side of the square photos in pixels; several sizes: their features are concatenated"""
    augment: Literal["none", "light", "campus", "world"] = "light"
    """How training photos are varied; validation and test photos never are"""
    views: int = Field(4, ge=1, le=64)
    """Augmented views of a training photo where the whole backbone is frozen; the plain photo is one of them"""

    @field_validator("sizes")
    @classmethod
    def _sizes(cls, sizes: list[int]) -> list[int]:
        if not sizes or any(not 16 <= size <= 2048 for size in sizes) or len(set(sizes)) != len(sizes):
            raise ValueError("expected one or several different photo sizes, each 16 to 2048 pixels, such as 224")
        return sizes
