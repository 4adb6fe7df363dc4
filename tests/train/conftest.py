"""A small dataset whose photos show where they were taken: red grows to the north, green to the east."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from geotune.config import build
from geotune.data.writing.writer import DatasetWriter
from geotune.model.heads.base import Head
from geotune.train.settings import TrainConfig

CENTRE = (51.75, -1.25)
SIDE_M = 2000.0


def jpeg(north: float, east: float, rng: np.random.Generator, size: int = 48) -> bytes:
    """A photo at shares (0..1) of the way north and east."""
    pixels = np.full((size, size, 3), (255 * north, 255 * east, 128.0))
    pixels = np.clip(pixels + rng.normal(0, 12, pixels.shape), 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=92)
    return stream.getvalue()


def write(out: Path, extent: str = "region", places: int = 46, seed: int = 0) -> Path:
    """A dataset of two photos a place: 30 places to train on, half of the others each to validate and to test."""
    rng = np.random.default_rng(seed)
    lat_span, lon_span = (SIDE_M / 111_195, SIDE_M / 68_900) if extent == "region" else (100.0, 300.0)
    lat0, lon0 = CENTRE if extent == "region" else (-50.0, -150.0)
    with DatasetWriter(out, name="colours", extent=extent, split={"by": "place", "question": "at new spots"}) as writer:
        for place in range(places):
            north, east = rng.random(2)
            split = "train" if place < 30 else ("valid", "test")[place % 2]
            for photo in range(2):
                lat, lon = lat0 + north * lat_span, lon0 + east * lon_span
                writer.add(split, f"{place}-{photo}", jpeg(north, east, rng), lat, lon, place)
    return out


@pytest.fixture(scope="session")
def _session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("train")


@pytest.fixture(autouse=True)
def _here(_session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOTUNE_CACHE", str(_session / "cache"))
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def region(_session: Path) -> Path:
    """60 training, 16 validation and 16 test photos within 2 km."""
    return write(_session / "region")


@pytest.fixture(scope="session")
def world(_session: Path) -> Path:
    return write(_session / "world", "world")


@pytest.fixture
def config(region: Path) -> Callable[..., TrainConfig]:
    """`config(**{"optim.lr": 1})`: a tiny model on the region, with changes."""

    def made(**changes: Any) -> TrainConfig:
        base = {
            "data": str(region),
            "device": "cpu",
            "model.backbone": "test_resnet",
            "model.weights": "none",
            "input.sizes": 32,
            "input.augment": "none",
            "train.epochs": 3,
            "train.batch_size": 16,
        }
        return build(TrainConfig, base | changes)

    return made


@contextmanager
def memory_for(
    photos: int, *, fails: tuple[int, ...] = (), training: bool = True, what: type = Head
) -> Iterator[list[int]]:
    """A device that has memory for so many photos at once; gives the number of each attempt.

    It runs out before `what`, by default behind the backbone: BatchNorm has counted them by then, and random numbers
    are drawn. `fails` names attempts (counted from 1) that fail however small they are; `training`: only where
    gradients are kept, or only where none are.
    """
    seen: list[int] = []
    forward = what.forward

    def limited(self: Any, features: torch.Tensor) -> Any:
        if training == torch.is_grad_enabled():
            seen.append(len(features))
            if len(features) > photos or len(seen) in fails:
                raise torch.OutOfMemoryError(
                    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.79 GiB of which "
                    "1.25 GiB is free."
                )
        return forward(self, features)

    what.forward = limited
    try:
        yield seen
    finally:
        what.forward = forward
