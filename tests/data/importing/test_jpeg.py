import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from geotune.data.importing.jpeg import as_coarse, stripped
from geotune.data.importing.prepare import Prepared, prepare
from geotune.data.sources.found import Photo
from tests.data.importing.test_prepare import SECRET, telling_photo


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_the_coded_picture_stays_and_all_else_goes(progressive: bool, subsampling: int) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (90, 130, 3), np.uint8)
    into = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = SECRET.decode()
    Image.fromarray(noise).save(
        into, "JPEG", progressive=progressive, subsampling=subsampling, exif=exif, comment=SECRET, icc_profile=SECRET,
        xmp=SECRET, restart_marker_rows=2,
    )  # fmt: skip
    data = into.getvalue() + b"trailer of a phone" + SECRET
    assert data.count(SECRET) == 5
    bare = stripped(data)
    assert bare is not None
    assert SECRET not in bare
    assert bare.endswith(b"\xff\xd9")
    assert np.array_equal(pixels(bare), pixels(data))
    assert stripped(bare) == bare


def test_a_thumbnail_in_jfif_goes_too(jpeg: Callable[..., bytes]) -> None:
    data = jpeg(1)
    assert data[2:4] == b"\xff\xe0"
    thumbnail = bytes([0, 18 + 3 - 2]) + data[6:18] + b"\1\1" + SECRET[:3]
    odd = data[:4] + thumbnail + data[20:]
    bare = stripped(odd)
    assert bare == data


@pytest.mark.parametrize("marker", [0x02, 0xDC, 0xDE, 0xDF, 0xE0, 0xE1, 0xEE, 0xF0, 0xFD, 0xFE])
@pytest.mark.parametrize("behind", [False, True])
def test_segments_that_no_decoder_needs_go(jpeg: Callable[..., bytes], marker: int, behind: bool) -> None:
    data = jpeg(4)
    at = len(data) - 2 if behind else 20
    segment = bytes([0xFF, marker]) + (len(SECRET) + 2).to_bytes(2, "big") + SECRET
    assert stripped(data[:at] + segment + data[at:]) == data


@pytest.mark.parametrize("said", [b"", b"\0\x64", b"\0\x64\0\0\0\0"])
def test_a_short_word_of_adobes_goes(jpeg: Callable[..., bytes], said: bytes) -> None:
    data = jpeg(5)
    segment = b"\xff\xee" + (7 + len(said)).to_bytes(2, "big") + b"Adobe" + said
    assert stripped(data[:20] + segment + data[20:]) == data


@pytest.mark.parametrize("marker", [0x01, 0xC3, 0xC8, 0xCA, 0xCC, 0xD0, 0xD8])
def test_other_ways_of_coding_are_left_alone(jpeg: Callable[..., bytes], marker: int) -> None:
    data = jpeg(6)
    assert stripped(data[:20] + bytes([0xFF, marker, 0, 3, 7]) + data[20:]) is None


def test_what_is_odd_is_left_alone(jpeg: Callable[..., bytes]) -> None:
    data = jpeg(2, 100, 100)
    for odd in (b"", b"\xff\xd8", b"GIF89a", data[:300], data[:-2], data[:2] + b"\0" + data[2:]):
        assert stripped(odd) is None


@given(cut=st.integers(0, 2000), flip=st.integers(0, 2000), value=st.integers(0, 255))
def test_it_never_fails(cut: int, flip: int, value: int) -> None:
    data = bytearray(telling_photo((64, 48)))
    data[flip % len(data)] = value
    found = stripped(bytes(data[: len(data) - cut % len(data)]))
    assert found is None or found[:2] == b"\xff\xd8"


def test_it_is_coded_again_only_where_that_saves_bytes(jpeg: Callable[..., bytes]) -> None:
    picture = Image.open(io.BytesIO(jpeg(3, 120, 160)))
    for quality, stays in ((70, True), (90, True), (98, False)):
        into = io.BytesIO()
        picture.save(into, "JPEG", quality=quality)
        data = into.getvalue()
        assert as_coarse(Image.open(io.BytesIO(data)).quantization, 90) is stays
        made = prepare(Photo("a", 0, 0, lambda data=data: data))
        assert isinstance(made, Prepared)
        assert (made.jpeg == data) is stays
        assert len(made.jpeg) <= len(data)


def test_a_turned_and_a_large_photo_are_coded_anew() -> None:
    for data, size in ((telling_photo(tag0112=3), 512), (telling_photo((800, 600)), 512)):
        made = prepare(Photo("a", 0, 0, lambda data=data: data), size, 95)
        assert isinstance(made, Prepared)
        assert not np.array_equal(pixels(made.jpeg), pixels(data))
