import datetime
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from geotune.data.sources import parquet
from geotune.data.sources.found import LeftOut, Photo
from geotune.data.sources.parquet import ParquetSource
from geotune.errors import GeotuneError


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """`table(columns, file)` -> a parquet file in row groups of three."""

    def write(columns: dict[str, Any], file: str = "photos.parquet") -> Path:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path, row_group_size=3)
        return path

    return write


def scan(path: Path) -> list[Photo | LeftOut]:
    return list(ParquetSource(path=path).scan())


def photos(path: Path) -> list[Photo]:
    return [photo for photo in scan(path) if isinstance(photo, Photo)]


@pytest.mark.parametrize(
    "names", [("Latitude", "Longitude"), ("latitude", "longitude"), ("lat", "lon"), ("LAT", "lng")]
)
@pytest.mark.parametrize("struct", [True, False])
def test_rows_become_photos(table: Callable[..., Path], names: tuple[str, str], struct: bool) -> None:
    images = [{"bytes": b"photo %d" % i, "path": f"{i}.jpg"} if struct else b"photo %d" % i for i in range(8)]
    found = photos(table({"image": images, names[0]: [float(i + 1) for i in range(8)], names[1]: [2] * 8}))
    assert [(p.lat, p.lon, p.load()) for p in found] == [(i + 1, 2, b"photo %d" % i) for i in range(8)]
    assert [p.id for p in found] == [f"{i}.jpg" if struct else f"photos-{i}" for i in range(8)]


def test_other_columns_are_kept(table: Callable[..., Path]) -> None:
    taken = datetime.datetime(2024, 6, 1, 15, 0, 30, tzinfo=datetime.UTC)
    (photo,) = photos(table({
        "img": [b"x"], "id": [17], "gps": [{"lat": 1.5, "lon": -2.5}], "captured_at": [taken], "compass_angle": [271.5],
        "country": ["de"], "floor": [3], "public": [True], "tags": [["a"]], "thumbnail": [{"bytes": b"y", "path": "p"}],
        "day": [taken.date()], "nothing": pa.nulls(1),
    }))  # fmt: skip
    assert (photo.id, photo.lat, photo.lon, photo.time, photo.heading) == ("17", 1.5, -2.5, 1717254030, 271.5)
    assert photo.extra == {"country": "de", "floor": 3, "public": 1, "day": "2024-06-01"}


def test_files_tell_the_split(table: Callable[..., Path], tmp_path: Path) -> None:
    for file in ("train-00000-of-00001", "validation-00000-of-00001", "data/test/0000", "testimony", "other"):
        table({"image": [b"x"], "lat": [1], "lon": [2]}, f"hf/{file}.parquet")
    assert {p.id: p.split for p in photos(tmp_path / "hf")} == {
        "train-00000-of-00001-0": "train", "validation-00000-of-00001-0": "valid", "data/test/0000-0": "test",
        "testimony-0": "", "other-0": "",
    }  # fmt: skip


def test_paths_that_come_again_are_numbered_and_ids_are_not(table: Callable[..., Path]) -> None:
    columns = {"image": [{"bytes": b"x", "path": "image.jpg"}] * 2, "lat": [1, 2], "lon": [2, 2]}
    assert [p.id for p in photos(table(columns))] == ["image.jpg", "photos-1"]
    again = scan(table(columns | {"key": ["a", "a"]}))
    assert [p.id for p in again] == ["a", "a"]
    assert again[1] == LeftOut("a", "listed twice")


def test_ids_that_begin_anew_in_every_file_are_other_photos(table: Callable[..., Path], tmp_path: Path) -> None:
    for split in ("train-0", "validation-0"):
        table({"image": [b"x"] * 3, "id": [0, 1, 1], "lat": [1] * 3, "lon": [2] * 3}, f"hf/{split}.parquet")
    found = scan(tmp_path / "hf")
    assert [p.id for p in found if isinstance(p, Photo)] == ["0", "1", "validation-0/0", "validation-0/1"]
    assert [p for p in found if isinstance(p, LeftOut)] == [LeftOut("1", "listed twice")] * 2
    image = [{"bytes": b"x", "path": "0.jpg"}]
    for file in ("a", "b"):
        table({"image": image, "id": [float("nan")], "lat": [1], "lon": [2]}, f"paths/{file}.parquet")
    assert [p.id for p in scan(tmp_path / "paths")] == ["0.jpg", "b/0.jpg"]


def test_bad_rows_are_named(table: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MAX_RECORD_BYTES", 100)
    image = [{"bytes": b, "path": "p"} for b in (b"x", None, b"", b"x" * 101, b"x", b"x")]
    columns = {
        "image": [*image, None],
        "id": list("abcdefg"),
        "lat": [None, 1, 1, 1, 91, 0, 1],
        "lon": [1, 1, 1, 1, 1, 0, 1],
    }
    assert [(p.id, p.reason) for p in scan(table(columns)) if isinstance(p, LeftOut)] == [
        ("a", "no coordinates"), ("b", "no image"), ("c", "no image"), ("d", "record larger than 64 MiB"),
        ("e", "position outside the Earth"), ("f", "position 0°, 0°: the camera had none"), ("g", "no image"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"file": ["a"], "lat": [1], "lon": [2]}, r"no column of images; its columns are file \(string\)"),
        ({"a": [b"x"], "b": [b"x"], "lat": [1], "lon": [2]}, "no column of images"),
        ({"image": [b"x"], "where": ["here"]}, "no column for latitude and longitude; its columns are image, where"),
    ],
)
def test_a_table_without_the_columns_is_said(table: Callable[..., Path], columns: Any, message: str) -> None:
    with pytest.raises(GeotuneError, match=message):
        scan(table(columns))


def test_the_only_column_of_bytes_is_the_image(table: Callable[..., Path]) -> None:
    assert len(photos(table({"content": [b"x"], "lat": [1], "lon": [2]}))) == 1


def test_a_damaged_file_is_named_and_the_others_are_read(table: Callable[..., Path], tmp_path: Path) -> None:
    table({"image": [b"x"], "lat": [1], "lon": [2]}, "hf/b.parquet")
    (tmp_path / "hf" / "a.parquet").write_bytes(b"PAR1 nothing")
    broken, good = scan(tmp_path / "hf")
    assert isinstance(broken, LeftOut)
    assert (broken.id, broken.reason) == ("a.parquet", "the file is damaged from here on")
    assert isinstance(good, Photo)
    with pytest.raises(GeotuneError, match=r"no \.parquet file"):
        scan(tmp_path / "nothing")


def test_mutated_files_end_in_rows_or_are_named(table: Callable[..., Path]) -> None:
    random = np.random.default_rng(0)
    images = [random.bytes(200) for _ in range(9)]
    path = table({"image": images, "lat": [float(i) for i in range(9)], "lon": [2.0] * 9})
    whole = path.read_bytes()
    for _ in range(300):
        data = bytearray(whole)
        for at in random.integers(0, len(data), 3):
            data[at] = random.integers(256)
        path.write_bytes(data)
        with suppress(GeotuneError):  # the name of a column changed
            assert all(found.id for found in scan(path))


def test_few_rows_are_in_memory(table: Callable[..., Path]) -> None:
    path = table({"image": [bytes(2**20)] * 4, "lat": [1] * 4, "lon": [1] * 4})
    metadata = pq.ParquetFile(path).metadata
    assert parquet._batch_rows(metadata) in range(4, 257)


def test_bytes_are_held_until_they_are_taken(table: Callable[..., Path]) -> None:
    images = [np.random.default_rng(i).bytes(2**16) for i in range(30)]
    path = table({"image": images, "lat": [1.5] * 30, "lon": [1.5] * 30})
    found = ParquetSource(path=path).scan()
    first = next(found)
    assert isinstance(first, Photo)
    assert first.load() == images[0]
    with pytest.raises(RuntimeError, match="taken before"):
        first.load()
