"""Catalogues made by hand, and hashes as photos have them: 32 of 64 bits set."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest


def hashes_of(count: int, seed: int = 0) -> np.ndarray:
    """Hashes (count,) of pictures that have nothing in common."""
    bits = np.zeros((count, 64), np.uint8)
    bits[:, :32] = 1
    bits = np.random.default_rng(seed).permuted(bits, axis=1)
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)


def flipped(word: int, pairs: int, seed: int = 0) -> int:
    """A hash that differs in 2 · `pairs` bits: as many fell as rose."""
    rng, bits = np.random.default_rng(seed), np.arange(64)
    is_set = np.array([int(word) >> int(bit) & 1 == 1 for bit in bits])
    for some in (is_set, ~is_set):
        for bit in rng.choice(bits[some], pairs, replace=False):
            word = int(word) ^ (1 << int(bit))
    return word


@pytest.fixture
def catalogue() -> Callable[..., pd.DataFrame]:
    """`catalogue(n, lat=…)` -> n photos 11 m apart on a meridian, all different; columns given replace these."""

    def make(n: int, **columns: Any) -> pd.DataFrame:
        unknown = np.full(n, np.nan)
        made = {
            "id": [f"p{i}" for i in range(n)], "lat": 52 + np.arange(n) * 1e-4, "lon": np.full(n, 13.0), "place": "",
            "split": "", "time": unknown, "heading": unknown, "gps_error_m": unknown, "camera": np.ones(n, np.int64),
            "width": 640, "height": 480, "sha": [f"{i:032x}" for i in range(n)], "phash": hashes_of(n), "group": "",
            "offset": 0, "length": 0,
        }  # fmt: skip
        frame = pd.DataFrame({**made, **columns})
        for name in ("lat", "lon", "time", "gps_error_m"):
            frame[name] = frame[name].astype(float)
        return frame

    return make
