import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest

from geotune.data.sources.found import LeftOut, Photo
from geotune.data.sources.shards import ShardsSource
from geotune.data.sources.why import why
from geotune.errors import GeotuneError


@pytest.fixture
def shard(tmp_path: Path) -> Callable[..., Path]:
    """`shard(records, file)` -> a shard as old writers pack it, without the bin type."""

    def write(records: list[Any], file: str = "shard_0.msg") -> Path:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(msgpack.packb(record, use_bin_type=False) for record in records))
        return path

    return write


def scan(path: Path, *labels: Path) -> list[Photo | LeftOut]:
    return list(ShardsSource(path=path, labels=labels).scan())


def photos(path: Path, *labels: Path) -> list[Photo]:
    return [photo for photo in scan(path, *labels) if isinstance(photo, Photo)]


def record(i: int, **more: Any) -> dict[str, Any]:
    return {"id": f"x/{i}.jpg", "image": b"photo %d" % i, **more}


def test_coordinates_in_the_records(shard: Callable[..., Path]) -> None:
    path = shard([record(i, latitude=i + 1, longitude=-5.5, heading=90, owner="me", tags=["a"]) for i in range(3)])
    found = photos(path)
    assert [(p.id, p.lat, p.lon, p.heading, p.extra) for p in found] == [
        (f"x/{i}.jpg", i + 1, -5.5, 90, {"owner": "me"}) for i in range(3)
    ]
    assert [p.load() for p in found] == [b"photo 0", b"photo 1", b"photo 2"]
    for photo in found:
        assert photo.at is not None
        assert msgpack.unpackb(path.read_bytes()[photo.at[1] : photo.at[1] + photo.at[2]])["id"] == photo.id


def test_the_labels_beside_are_found(shard: Callable[..., Path], tmp_path: Path) -> None:
    shard([record(0), record(1)], "shard_10.msg")
    shard([record(2), record(3)], "shard_2.msg")
    (tmp_path / "labels.csv").write_text("IMG_ID,LAT,LON,owner\n0,1,5,me\n1.jpg,2,5,me\nx/2.jpg,3,5,you\n")
    (tmp_path / "mapping.json").write_text(json.dumps({str(i): [i, 10 * i, 100 * i] for i in range(4)}))
    found = scan(tmp_path)
    assert [(p.id, p.lat, p.extra) for p in found if isinstance(p, Photo)] == [
        ("x/2.jpg", 3, {"owner": "you", "cell_coarse": 2, "cell_middle": 20, "cell_fine": 200}),
        ("x/0.jpg", 1, {"owner": "me", "cell_coarse": 0, "cell_middle": 0, "cell_fine": 0}),
        ("x/1.jpg", 2, {"owner": "me", "cell_coarse": 1, "cell_middle": 10, "cell_fine": 100}),
    ]
    assert [p for p in found if isinstance(p, LeftOut)] == [LeftOut("x/3.jpg", "no coordinates")]
    assert [p.id for p in photos(tmp_path / "shard_10.msg")] == ["x/0.jpg", "x/1.jpg"]


def test_a_label_goes_before_the_record(shard: Callable[..., Path], tmp_path: Path) -> None:
    path = shard([record(0, latitude=9, longitude=9), record(1, latitude=8, longitude=8), record(2)])
    (tmp_path / "right.csv").write_text("id,lat,lon\n0,1,2\n")
    found = scan(path, tmp_path / "right.csv")
    assert [(p.lat, p.lon) for p in found if isinstance(p, Photo)] == [(1, 2), (8, 8)]
    assert found[2] == LeftOut("x/2.jpg", "not in the table of labels")


def test_a_mapping_may_hold_the_coordinates(shard: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(json.dumps({"0": [1.5, 2.5]}))
    (photo,) = photos(shard([record(0)]))
    assert (photo.lat, photo.lon) == (1.5, 2.5)


def test_folders_and_tables_of_splits(shard: Callable[..., Path], tmp_path: Path) -> None:
    for i, split in enumerate(("train", "val", "test")):
        shard([record(i)], f"{split}/shard_0.msg")
        (tmp_path / f"{split}.csv").write_text(f"id,lat,lon\n{i},{i + 1},5\n")
    assert sorted((p.id, p.lat, p.split) for p in photos(tmp_path)) == [
        ("x/0.jpg", 1, "train"), ("x/1.jpg", 2, "valid"), ("x/2.jpg", 3, "test")
    ]  # fmt: skip


def test_which_table_is_asked_where_it_matters(shard: Callable[..., Path], tmp_path: Path) -> None:
    for name in ("labels", "predictions"):
        (tmp_path / f"{name}.csv").write_text("id,lat,lon\n0,1,5\n")
    shard([None, record(0)])
    with pytest.raises(
        GeotuneError, match=r"several tables could be its labels: labels\.csv, predictions\.csv"
    ) as caught:
        scan(tmp_path)
    assert caught.value.hint == f"name the right one: --labels {tmp_path / 'labels.csv'}"
    assert len(photos(tmp_path, tmp_path / "labels.csv")) == 1
    shard([record(0, latitude=3, longitude=3)])
    assert [p.lat for p in photos(tmp_path)] == [3]


def test_no_coordinates_at_all_is_said(shard: Callable[..., Path], tmp_path: Path) -> None:
    shard([record(0), record(1)])
    with pytest.raises(GeotuneError, match="have no coordinates, and no table of labels") as caught:
        scan(tmp_path)
    assert "--labels FILE" in caught.value.hint
    with pytest.raises(GeotuneError, match=r"no \.msg shard"):
        scan(tmp_path / "nowhere")


def test_nan_is_no_coordinate(shard: Callable[..., Path]) -> None:
    nan, good = math.nan, record(3, latitude=1, longitude=1)
    rows = [record(0, latitude=nan, longitude=nan), record(1, latitude=nan, longitude=1), good]
    assert [p.reason for p in scan(shard(rows)) if isinstance(p, LeftOut)] == ["no coordinates"] * 2


def test_bad_records_are_named(shard: Callable[..., Path]) -> None:
    good = record(0, latitude=1, longitude=1)
    outside, half, zero = record(1, latitude=91, longitude=0), record(2, latitude=1), record(3, latitude=0, longitude=0)
    unnamed = {"image": b"unnamed", "latitude": 2, "longitude": 2}
    path = shard([None, 7, good, good, {"id": "a"}, outside, half, unnamed, zero])
    whole = path.stat().st_size
    path.write_bytes(path.read_bytes() + msgpack.packb(good)[:-3])
    found = scan(path)
    assert [(p.id, p.at is None) for p in found if isinstance(p, Photo)] == [
        ("x/0.jpg", False),
        (found[7].id, True),
    ]
    assert found[7].id.startswith("shard_0.msg at byte ")
    assert [p.reason for p in found if isinstance(p, LeftOut)] == [
        "not a record of a photo", "not a record of a photo", "listed twice", "no image", "position outside the Earth",
        "no coordinates", "position 0°, 0°: the camera had none", "the file is cut off here",
    ]  # fmt: skip
    assert found[0] == LeftOut("shard_0.msg at byte 0", "not a record of a photo", found[0].detail)
    assert found[-1].id == f"shard_0.msg at byte {whole}"
    assert all(why(p.reason) for p in found if isinstance(p, LeftOut))
    path.write_bytes(b"\xc1" * 100)
    assert [p.reason for p in scan(path) if isinstance(p, LeftOut)] == ["damaged bytes between its records"]


def test_ids_that_begin_anew_in_every_shard_are_other_photos(shard: Callable[..., Path], tmp_path: Path) -> None:
    records = [{"id": i, "image": b"x", "latitude": 1, "longitude": 1} for i in (0, 1, 1)]
    for name in ("a/shard_0.msg", "a/shard_1.msg", "b.msg"):
        shard(records, name)
    found = scan(tmp_path)
    ids = ["0", "1", "a/shard_0/0", "a/shard_0/1", "a/shard_1/0", "a/shard_1/1"]
    assert [p.id for p in found if isinstance(p, Photo)] == ids
    assert [p.reason for p in found if isinstance(p, LeftOut)] == ["listed twice"] * 3


def test_a_shard_that_changes_meanwhile_is_a_read_error(shard: Callable[..., Path]) -> None:
    first, second = photos(shard([record(i, latitude=1, longitude=1) for i in range(2)]))
    shard([record(i, latitude=1, longitude=1) for i in (5, 6)])
    with pytest.raises(OSError, match="changed meanwhile"):
        first.load()
    shard([])
    with pytest.raises(OSError, match="changed meanwhile"):
        second.load()


def test_a_cut_shard_does_not_hide_what_was_in_it(shard: Callable[..., Path], tmp_path: Path) -> None:
    """Every photo that the table promises and no shard has is named; without damage the table may know more."""
    table = tmp_path / "labels.csv"
    table.write_text("id,latitude,longitude\n" + "".join(f"x/{i}.jpg,{i + 1},2\n" for i in range(12)))
    path = shard([record(i) for i in range(10)])
    assert len(photos(path, table)) == len(scan(path, table)) == 10
    path.write_bytes(path.read_bytes()[: -2 * len(msgpack.packb(record(9), use_bin_type=False)) - 3])
    found = scan(path, table)
    lost = [p.id for p in found if isinstance(p, LeftOut) and p.reason == "in the table of labels, but in no shard"]
    assert lost == [f"x/{i}.jpg" for i in range(7, 12)]
    assert sum(isinstance(p, Photo) for p in found) == 7
