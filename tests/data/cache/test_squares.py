import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from geotune.data.cache.entries import cache_root
from geotune.data.cache.squares import decoded, square
from geotune.data.dataset import Dataset, open_dataset
from geotune.data.writing.writer import DatasetWriter
from geotune.errors import GeotuneError


def encode(rgb: np.ndarray, **save: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG", quality=95, **save)
    return stream.getvalue()


def test_the_root_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_root() == tmp_path / "cache"
    monkeypatch.delenv("GEOTUNE_CACHE")
    assert cache_root().name == "geotune"


def test_all_photos_in_order_as_squares_of_rgb(dataset: Dataset) -> None:
    split = dataset.split("valid")
    pixels = decoded(split, 24)
    assert pixels.shape == (10, 24, 24, 3)
    assert pixels.dtype == np.uint8
    for i in range(10):
        np.testing.assert_array_equal(pixels[i], square(split.photo(i), 24))
    assert len({pixels[i].tobytes() for i in range(10)}) == 10


def test_another_size_or_split_is_another_file(dataset: Dataset, cache: Path) -> None:
    for name, size in (("valid", 24), ("valid", 32), ("test", 24), ("valid", 24)):
        decoded(dataset.split(name), size)
    assert len(list((cache / "photos").iterdir())) == 3


def test_a_part_has_a_store_of_its_own_where_there_is_no_room_for_the_whole(
    dataset: Dataset, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = dataset.split("train")
    part = whole.subset(0.1)
    monkeypatch.setenv("GEOTUNE_CACHE_LIMIT", str(len(part) * 64 * 64 * 3))
    kept = decoded(part, 64)
    assert kept.tier == "raw"
    np.testing.assert_array_equal(kept[0], square(part.photo(0), 64))
    assert decoded(part, 64)[:].tobytes() == kept[:].tobytes()
    (folder,) = (cache / "photos").iterdir()
    assert "-part-" in folder.name
    assert caplog.text == ""


def test_without_room_that_is_said_once(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GEOTUNE_CACHE_LIMIT", "1kB")
    for _ in range(2):
        assert decoded(dataset.split("train"), 64).tier == "none"
    assert caplog.text.count("decoded anew in every epoch") == 1
    assert "export GEOTUNE_CACHE_LIMIT=" in caplog.text


def test_square_keeps_the_middle_and_the_colours() -> None:
    wide = np.zeros((100, 300, 3), np.uint8)
    wide[:, :100], wide[:, 100:200], wide[:, 200:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    seen = square(encode(wide), 50)
    assert seen.shape == (50, 50, 3)
    assert (np.abs(seen[:, 4:-4].astype(int) - (0, 255, 0)) < 12).all()


@pytest.mark.parametrize("factor", [2, 4, 8, 9])
def test_reduced_decoding_gives_the_same_picture(factor: int) -> None:
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    large = cv2.resize(coarse, (8 * 8 * factor, 6 * 8 * factor), interpolation=cv2.INTER_CUBIC)
    plain = cv2.resize(large[:, 8 * factor : -8 * factor], (48, 48), interpolation=cv2.INTER_AREA)
    assert np.abs(square(encode(large), 48).astype(int) - plain).mean() < 3


def test_small_photos_are_enlarged_and_orientation_is_applied() -> None:
    top_red = np.zeros((40, 40, 3), np.uint8)
    top_red[:20] = (255, 0, 0)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90° to the right
    seen = square(encode(top_red, exif=exif), 80)
    assert seen[:, 50:, 0].mean() > 240
    assert seen[:, :30, 0].mean() < 15


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff\xe0garbage"])
def test_no_picture_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        square(data, 32)


def test_a_photo_that_cannot_be_decoded_is_named(tmp_path: Path, jpeg: Callable[..., bytes]) -> None:
    with DatasetWriter(tmp_path / "bad", name="bad", extent="world", split={}) as writer:
        for i, name in enumerate(("train", "valid", "test")):
            writer.add(name, f"p{i}", b"broken" if name == "train" else jpeg(i), i, i, i)
    with pytest.raises(GeotuneError, match="'p0' of the train split cannot be decoded"):
        decoded(open_dataset(tmp_path / "bad").split("train"), 32)[:]
