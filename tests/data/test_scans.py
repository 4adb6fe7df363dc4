import io
import random

import pytest
from PIL import Image

from geotune.data.cache.squares import square
from geotune.data.importing.prepare import prepare
from geotune.data.scans import endless
from geotune.data.sources.found import LeftOut, Photo
from tests.data.fuzzing import jpeg_of, picture


def is_endless(data: bytes) -> bool:
    with Image.open(io.BytesIO(data)) as opened:
        return endless(opened, data)


@pytest.mark.parametrize("kind", ["JPEG", "progressive", "PNG", "WEBP", "TIFF", "MPO"])
def test_honest_photos_end(kind: str) -> None:
    assert not is_endless(picture(random.Random(0), kind))


def test_scans_without_end_are_refused() -> None:
    assert not is_endless(jpeg_of(64, 64, scans=20))
    bomb = jpeg_of(16_000, 10_000, scans=10_000)
    assert len(bomb) < 200_000
    assert is_endless(bomb)
    with pytest.raises(ValueError, match="a JPEG of too many scans"):
        square(bomb, 32)
    assert prepare(Photo("p", 1.0, 2.0, lambda: bomb)) == LeftOut("p", "cannot be decoded")


def test_a_thumbnail_has_scans_of_its_own() -> None:
    thumbnail = jpeg_of(64, 64)
    photo = bytearray(jpeg_of(96, 96))
    photo[2:2] = b"\xff\xef" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    assert not is_endless(bytes(photo))


def test_scans_one_a_component_are_counted_too() -> None:
    data = bytearray(jpeg_of(64, 64))
    first = data.index(b"\xff\xda")
    data[first + 4] = 1
    assert not is_endless(bytes(data))
    assert is_endless(bytes(data[:-2]) + bytes(data[first:-2]) * 200 + b"\xff\xd9")
