"""The regression head: the coordinates themselves, by squared error and α times the geodesic distance."""

from typing import Literal

from pydantic import Field

from geotune.config import Settings


class RegressionSettings(Settings):
    """`model.head.*` of a head that regresses the coordinates."""

    name: Literal["regression"] = "regression"
    """How features become a place: by regression, by cells, or by both (hybrid)"""
    loss: Literal["mse", "smooth_l1"] = "mse"
    """The loss on coordinates, in units of the training places' RMS radius"""
    alpha: float = Field(0.1, ge=0)
    """Weight of the geodesic distance in the loss, in the same units"""
    hidden: int = Field(0, ge=0, le=16384)
    """Width of a hidden layer; 0 is none"""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the head's inputs dropped in training"""
