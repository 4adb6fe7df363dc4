"""Points to divide."""

import numpy as np

from geotune.config import build
from geotune.data.split import SplitSettings

METRE = 1 / 111_195
"""Degrees of latitude."""


def settings(**given: object) -> SplitSettings:
    return build(SplitSettings, given)


def town(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points over about a kilometre."""
    rng = np.random.default_rng(seed)
    return 52.2 + rng.uniform(0, 0.009, count), 0.12 + rng.uniform(0, 0.015, count)
