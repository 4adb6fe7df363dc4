import io
import json
import math
from collections.abc import Callable
from pathlib import Path

import msgpack
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from geotune.data.exif import exif_of
from geotune.data.sources.camera import HEAD_BYTES, exif_in, with_exif
from geotune.data.sources.found import LeftOut, Photo
from geotune.data.sources.kinds import source_of
from geotune.data.sources.why import NO_GPS, why


def made(path: Path, jpeg: bytes, archive: Callable[..., Path], row: dict[str, float]) -> Path:
    """A source of one photo, of the kind that the path's suffix says."""
    if path.suffix == ".csv":
        path.with_name("a.jpg").write_bytes(jpeg)
        path.write_text("file," + ",".join(row) + "\na.jpg," + ",".join(map(str, row.values())))
    elif path.suffix == ".parquet":
        pq.write_table(pa.table({"image": [jpeg], **{name: [value] for name, value in row.items()}}), path)
    elif path.suffix == ".msg":
        path.write_bytes(msgpack.packb({"id": "a", "image": jpeg, **row}))
    else:
        archive({"a.jpg": jpeg, "a.json": json.dumps(row).encode()}, path.name)
    return path


@pytest.mark.parametrize("file", ["s.csv", "s.parquet", "s.tar", "s.tgz", "s.msg"])
def test_every_source_takes_what_the_camera_says(
    tmp_path: Path, phone_jpeg: bytes, archive: Callable[..., Path], file: str
) -> None:
    (photo,) = source_of(made(tmp_path / file, phone_jpeg, archive, {"latitude": 52.5, "longitude": 13})).scan()
    assert isinstance(photo, Photo)
    assert (photo.time, photo.heading, photo.gps_error_m, photo.camera) == (1717254030, 90, 4.5, "Maker Phone")
    assert photo.load() == phone_jpeg
    row = {"latitude": 1.0, "longitude": 2.0, "heading": 7.0, "timestamp": 1.7e9}
    (photo,) = source_of(made(tmp_path / file, phone_jpeg, archive, row)).scan()
    assert isinstance(photo, Photo)
    assert (photo.lat, photo.heading, photo.time) == (1, 7, 1.7e9)  # the source goes before the camera
    assert math.isnan(photo.gps_error_m)  # of another position


@pytest.mark.parametrize("file", ["s.jpg", "s.parquet", "s.tar", "s.msg"])
def test_links_to_folders_are_named(tmp_path: Path, phone_jpeg: bytes, archive: Callable[..., Path], file: str) -> None:
    for folder in ("elsewhere", "here"):
        path = tmp_path / folder / file
        path.parent.mkdir()
        if file == "s.jpg":
            path.write_bytes(phone_jpeg)
        else:
            made(tmp_path / file, phone_jpeg, archive, {"latitude": 52.5, "longitude": 13}).rename(path)
    (tmp_path / "here" / "2024").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "here" / ".trash").symlink_to(tmp_path / "elsewhere")
    photo, link = source_of(tmp_path / "here").scan()
    assert isinstance(photo, Photo)
    assert link == LeftOut("2024", "a link to a folder is not followed")
    assert why("a link to a folder is not followed").endswith("import that folder too, with --add")


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "HEIF", "TIFF"])
@pytest.mark.parametrize("file", ["s.csv", "s.parquet", "s.tar", "s.tgz", "s.msg"])
def test_other_formats_say_it_too(
    tmp_path: Path, phone_jpeg: bytes, archive: Callable[..., Path], file: str, kind: str
) -> None:
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)  # larger than a JPEG's head
    into = io.BytesIO()
    with Image.open(io.BytesIO(phone_jpeg)) as opened:
        Image.fromarray(noise).save(into, kind, exif=opened.getexif())
    (photo,) = source_of(made(tmp_path / file, into.getvalue(), archive, {"latitude": 52.5, "longitude": 13})).scan()
    assert isinstance(photo, Photo)
    assert (photo.time, photo.camera) == (1717254030, "Maker Phone")


def test_what_else_a_jpeg_says_is_no_hindrance(phone_jpeg: bytes) -> None:
    def segment(marker: int, size: int) -> bytes:
        return bytes([0xFF, marker]) + (size + 2).to_bytes(2, "big") + bytes(size)

    profile = segment(0xE2, 60_000)
    for data in (
        phone_jpeg[:2] + profile + phone_jpeg[2:],
        phone_jpeg[:2] + b"\xff\xff" + phone_jpeg[2:20] + profile + phone_jpeg[20:],
        phone_jpeg.replace(b"\xff\xdb", profile + profile + b"\xff\xdb", 1),
    ):
        found = exif_in(data[:HEAD_BYTES])
        assert found is not None
        assert (found.time, found.camera) == (1717254030, "Maker Phone")


def test_a_png_is_not_decoded_for_its_exif_behind_the_picture(phone_jpeg: bytes) -> None:
    exif, into = Image.open(io.BytesIO(phone_jpeg)).getexif(), io.BytesIO()
    Image.new("RGB", (64, 48)).save(into, "PNG", exif=exif)
    data = into.getvalue()
    start, picture, end = (data.index(name) - 4 for name in (b"eXIf", b"IDAT", b"IEND"))
    late = data[:start] + data[picture:end] + data[start:picture] + data[end:]
    at = late.index(b"IDAT") + 4
    for png in (data, late, late[:at] + b"no picture" + late[at + 10 :]):
        with Image.open(io.BytesIO(png)) as opened:
            assert exif_of(opened).camera == "Maker Phone"


def test_what_says_nothing_changes_nothing(phone_jpeg: bytes, jpeg: Callable[..., bytes]) -> None:
    photo = Photo("a", 1, 2, bytes)
    for data in (b"", b"\xff\xd8Exif\0\0", b"\xff\xd8\xff", jpeg(0), b"\x89PNG Exif\0\0", phone_jpeg[:30]):
        found = with_exif(photo, exif_in(data))
        assert isinstance(found, Photo)
        assert (repr(found.time), repr(found.heading), found.camera) == ("nan", "nan", "")
    left_out = LeftOut("a", NO_GPS)
    assert with_exif(left_out, exif_in(phone_jpeg)) is left_out


def test_damaged_photos_never_end_a_scan(phone_jpeg: bytes) -> None:
    for i in range(2, 400):
        exif_in(phone_jpeg[:i] + bytes([phone_jpeg[i] ^ 0xFF]) + phone_jpeg[i + 1 :])
        exif_in(phone_jpeg[:i])
