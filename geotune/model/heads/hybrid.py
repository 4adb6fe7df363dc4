"""The hybrid head: which cell, and where within it."""

from typing import Literal

from pydantic import Field

from geotune.config import Settings


class HybridSettings(Settings):
    """`model.head.*` of a head that classifies into cells and regresses the offset from the cell's centre."""

    name: Literal["hybrid"] = "hybrid"
    """How features become a place: by regression, by cells, or by both (hybrid)"""
    cells: int = Field(64, ge=2, le=1_000_000)
    """Number of cells (k-means of the training places); fewer where there are fewer places"""
    alpha: float = Field(0.1, ge=0)
    """Weight of the offset's geodesic error, in RMS cell radii, beside the cells' cross-entropy"""
    hidden: int = Field(0, ge=0, le=16384)
    """Width of a hidden layer; 0 is none"""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the head's inputs dropped in training"""
    smoothing: float = Field(1.0, ge=0, le=100)
    """Width of the Gaussian labels around the true place, in RMS cell radii; 0 is one hard label"""
