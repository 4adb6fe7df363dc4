"""Everything that one training run needs, as one typed tree: `TrainConfig`."""

from typing import Annotated, Literal

from pydantic import Field

from geotune.config import Settings
from geotune.model.settings import InputSettings, ModelSettings
from geotune.train.selection import Rule


class LoopSettings(Settings):
    """How long and in which portions the photos pass by."""

    epochs: int = Field(30, ge=1)
    """Rounds of training, each ended by a validation; the learning-rate schedule spans all of them."""
    epoch_photos: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Photos an epoch, taken from pass after pass without gaps. auto: one pass, at most 200,000"""
    valid_photos: Literal["all"] | Annotated[int, Field(ge=1)] = "all"
    """Validation photos that an epoch is measured on: all, or so many, the same ones in every epoch and every trial."""
    batch_size: int = Field(64, ge=1)
    """Photos a step of the optimiser, whatever fits in memory at once."""
    micro_batch: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Photos in memory at once; their gradients add up to the batch's. auto: what fits (BatchNorm: norm_batch)"""
    norm_batch: int = Field(32, ge=4)
    """Photos over which a BatchNorm that is trained takes mean and spread, and that are in memory at once for it."""
    patience: int = Field(0, ge=0)
    """Stop after so many epochs in a row without a better train.select; 0 = never."""
    clip: float = Field(1.0, ge=0)
    """Longest gradient (norm over all weights) that a step may take; 0 = any."""
    max_skipped: int = Field(10, ge=0)
    """Batches of a run that may be skipped, as their loss or gradient is no finite number; more: it has diverged."""
    select: str = "valid/median"
    """The validation metric by which an epoch is kept."""
    selection: Rule = "best"
    """What a run is worth, and which epoch it keeps: its best, or the last of its best three in a row, averaged."""
    profile: bool = False
    """Write trace.json.gz: what the first steps do and how long it takes, for https://ui.perfetto.dev."""
    ema: float = Field(0.0, ge=0, lt=1)
    """Validate, select and export a running average of the weights, which keeps this share at every step; 0: none."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Number format of the network's arithmetic; auto: bfloat16 or float16 on a CUDA GPU, else float32."""


class OptimSettings(Settings):
    """The optimiser and its learning rate over time."""

    name: str = "adamw"
    """Any optimiser that timm.optim knows by name."""
    lr: float = Field(1e-3, gt=0)
    """Learning rate of the head at its highest."""
    batch_scaling: Literal["none", "sqrt", "linear"] = "none"
    """How optim.lr grows with train.batch_size, from 64 photos on: not at all, with its square root, or with it."""
    momentum: float = Field(0.9, ge=0, lt=1)
    """Momentum of the optimisers that take one, such as sgd; adamw and its kin have their own averages."""
    weight_decay: float = Field(0.01, ge=0)
    """Pull of the weights towards zero; never applied to norms and biases."""
    backbone_lr_scale: float = Field(0.1, ge=0)
    """Learning rate of the backbone as a share of the head's."""
    layer_decay: float = Field(1.0, gt=0, le=1)
    """Learning rate of each earlier stage of the backbone as a share of the next one's; 1: all have the same."""
    schedule: Literal["onecycle", "cosine", "constant"] = "onecycle"
    """Learning rate over the full budget of epochs: up and down, down only, or level (after the warm-up)."""
    warmup: float = Field(0.1, ge=0, lt=1)
    """Share of all steps over which the learning rate rises."""
    min_lr: float = Field(0.0, ge=0, le=1)
    """Where the cosine schedule ends, as a share of the highest learning rate."""


class TrainConfig(Settings):
    """One training run: which data, which model, how it is trained. The same config gives the same result on a CPU."""

    data: str = ""
    """Dataset folder."""
    seed: int = Field(0, ge=0)
    """Seed of everything random."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto: an NVIDIA or AMD GPU, else Apple's, else the CPU."""
    model: ModelSettings = ModelSettings()
    train: LoopSettings = LoopSettings()
    optim: OptimSettings = OptimSettings()
    input: InputSettings = InputSettings()
