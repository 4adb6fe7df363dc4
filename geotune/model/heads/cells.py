"""The cells head: which cell of a partition of the Earth, with labels that fade with distance."""

from typing import Literal

from pydantic import Field

from geotune.config import Settings


class CellsSettings(Settings):
    """`model.head.*` of a head that classifies into cells."""

    name: Literal["cells"] = "cells"
    """How features become a place: by regression, by cells, or by both (hybrid)"""
    cells: int = Field(64, ge=2, le=1_000_000)
    """Number of cells (k-means of the training places); fewer where there are fewer places"""
    hidden: int = Field(0, ge=0, le=16384)
    """Width of a hidden layer; 0 is none"""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the head's inputs dropped in training"""
    smoothing: float = Field(1.0, ge=0, le=100)
    """Width of the Gaussian labels around the true place, in RMS cell radii; 0 is one hard label"""
    decode: Literal["argmax", "local_mean"] = "local_mean"
    """The centre of the likeliest cell, or the mean of the cells around it, weighted by their probability"""
