"""Photos and datasets made on the spot, and the real photos where this machine has them."""

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from geotune.data.dataset import Dataset, open_dataset
from geotune.data.split import SPLITS
from geotune.data.writing.writer import DatasetWriter


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for every test."""
    monkeypatch.setenv("GEOTUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def real_photos() -> Path:
    """The folder of real photos; the test is skipped where there is none."""
    folder = os.environ.get("GEOTUNE_PHOTOS")
    if not folder or not Path(folder).is_dir():
        pytest.skip("GEOTUNE_PHOTOS names no folder of real photos")
    return Path(folder)


@pytest.fixture(scope="session")
def jpeg() -> Callable[..., bytes]:
    """`jpeg(seed, height, width)` -> a picture of soft random colours."""

    def make(seed: int, height: int = 48, width: int = 64) -> bytes:
        coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
        picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        return cv2.imencode(".jpg", picture)[1].tobytes()

    return make


@pytest.fixture
def dataset(tmp_path: Path, jpeg: Callable[..., bytes]) -> Dataset:
    """Ten photos a split in shards of four, a tenth of a degree apart."""
    with DatasetWriter(
        tmp_path / "made", name="made", extent="world", split={"question": "here"}, per_shard=4
    ) as writer:
        for i in range(30):
            writer.add(SPLITS[i // 10], f"p{i}", jpeg(i), 10 + i / 10, -20.0, i // 2)
    return open_dataset(tmp_path / "made")
