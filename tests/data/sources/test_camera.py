import json
import math
from collections.abc import Callable
from pathlib import Path

import msgpack
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from geotune.data.sources.camera import exif_in, with_exif
from geotune.data.sources.found import LeftOut, Photo
from geotune.data.sources.kinds import source_of
from geotune.data.sources.why import NO_GPS


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


def test_what_says_nothing_changes_nothing(phone_jpeg: bytes, jpeg: Callable[..., bytes]) -> None:
    assert [exif_in(data) for data in (b"", b"\xff\xd8Exif\0\0", jpeg(0), b"\x89PNG Exif\0\0", phone_jpeg[:30])] == [
        None
    ] * 5
    left_out = LeftOut("a", NO_GPS)
    assert with_exif(left_out, exif_in(phone_jpeg)) is left_out


def test_damaged_photos_never_end_a_scan(phone_jpeg: bytes) -> None:
    for i in range(2, 400):
        exif_in(phone_jpeg[:i] + bytes([phone_jpeg[i] ^ 0xFF]) + phone_jpeg[i + 1 :])
        exif_in(phone_jpeg[:i])
