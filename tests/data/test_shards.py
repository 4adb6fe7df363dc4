import io
from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geotune.data.shards import (
    BadRecord,
    Record,
    ShardWriter,
    index_path,
    load_index,
    parse_record,
    read_records,
    shard_number,
)
from geotune.errors import GeotuneError


def write(folder: Path, count: int, per_shard: int = 4096) -> ShardWriter:
    with ShardWriter(folder, per_shard) as writer:
        for i in range(count):
            writer.add(f"é{i}", bytes([i]) * (i + 1), i / 2, -i, i % 3, {"camera": "x"})
    return writer


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    writer = write(tmp_path, 10, per_shard=4)
    assert writer.shards == ["shard_0.msg", "shard_1.msg", "shard_2.msg"]
    records = [r for name in writer.shards for r in read_records(tmp_path / name, strict=True)]
    assert [r.id for r in records] == [f"é{i}" for i in range(10)]
    third = records[3]
    assert isinstance(third, Record)
    assert (third.image, third.latitude, third.longitude, third.place) == (b"\3\3\3\3", 1.5, -3.0, 0)
    assert dict(third.extra) == {"camera": b"x"}


def test_a_shard_is_a_plain_concatenation_of_maps(tmp_path: Path) -> None:
    write(tmp_path, 2)
    maps = list(msgpack.Unpacker(io.BytesIO((tmp_path / "shard_0.msg").read_bytes())))
    assert maps[1] == {"camera": "x", "id": "é1", "image": b"\1\1", "latitude": 0.5, "longitude": -1, "place": 1}


def test_same_records_give_the_same_bytes_and_digest(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a", 5), write(tmp_path / "b", 5)
    assert first.digest == second.digest != write(tmp_path / "c", 6).digest
    for name in ("shard_0.msg", "shard_0.index.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_index_gives_random_access(tmp_path: Path) -> None:
    write(tmp_path, 5)
    index = load_index(tmp_path / "shard_0.msg")
    data = (tmp_path / "shard_0.msg").read_bytes()
    packed = data[index.offset[3] : index.offset[3] + index.length[3]]
    assert msgpack.unpackb(packed)["id"] == index.id[3] == "é3"
    assert index.offset[-1] + index.length[-1] == len(data)


@pytest.mark.parametrize("spoil", ["missing", "garbage", "older"])
def test_without_a_sound_index_the_shard_is_read(tmp_path: Path, spoil: str) -> None:
    write(tmp_path, 5)
    shard = tmp_path / "shard_0.msg"
    whole = load_index(shard)
    if spoil == "missing":
        index_path(shard).unlink()
    elif spoil == "garbage":
        index_path(shard).write_bytes(index_path(shard).read_bytes()[:90])
    else:
        write(tmp_path / "other", 3)
        index_path(shard).write_bytes(index_path(tmp_path / "other" / "shard_0.msg").read_bytes())
    again = load_index(shard)
    for name in ("offset", "length", "id", "latitude", "longitude", "place"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))


def test_old_shards_without_the_bin_type(tmp_path: Path) -> None:
    old = msgpack.Packer(use_bin_type=False)
    (tmp_path / "shard_0.msg").write_bytes(
        old.pack({"id": "a/1.jpg", "image": b"\xff\xd8\xff"})
        + old.pack({b"IMG_ID": 7, b"img": b"J", b"LAT": 1, b"LON": 2})
    )
    first, second = read_records(tmp_path / "shard_0.msg")
    assert isinstance(first, Record)
    assert isinstance(second, Record)
    assert (first.id, first.image, first.latitude) == ("a/1.jpg", b"\xff\xd8\xff", None)
    assert (second.id, second.latitude, second.longitude) == ("7", 1.0, 2.0)


def test_bad_records_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    rows = [
        None,
        [1],
        {"id": "no image"},
        {"id": "north", "image": b"J", "latitude": 91, "longitude": 0},
        {"id": "nan", "image": b"J", "latitude": float("nan"), "longitude": 0},
        {"id": "half", "image": b"J", "latitude": 1},
        {"id": "good", "image": b"J", "latitude": 1, "longitude": 2},
    ]
    shard = tmp_path / "shard_0.msg"
    shard.write_bytes(b"".join(msgpack.packb(row) for row in rows))
    *bad, good = read_records(shard)
    assert isinstance(good, Record)
    reasons = [b.reason for b in bad if isinstance(b, BadRecord)]
    assert [r.split(" (")[0] for r in reasons] == [
        "empty record",
        "expected a map, found list",
        "no image",
        "coordinates or place out of range",
        "coordinates or place out of range",
        "only one of latitude and longitude",
    ]
    assert list(load_index(shard).id) == ["good"]
    with pytest.raises(GeotuneError, match="bad record at byte 0: empty record"):
        list(read_records(shard, strict=True))


def test_a_cut_shard_gives_what_is_whole(tmp_path: Path) -> None:
    write(tmp_path, 3)
    shard = tmp_path / "shard_0.msg"
    shard.write_bytes(shard.read_bytes()[:-5])
    *whole, cut = read_records(shard)
    assert [r.id for r in whole] == ["é0", "é1"]
    assert isinstance(cut, BadRecord)
    assert cut.reason.startswith("cut off")


def test_a_length_that_lies_does_not_allocate(tmp_path: Path) -> None:
    shard = tmp_path / "shard_0.msg"
    shard.write_bytes(b"\xc6\xff\xff\xff\xff" + b"x" * 100)  # bin32 of 4 GiB
    (bad,) = read_records(shard)
    assert isinstance(bad, BadRecord)


@given(st.binary(max_size=300))
def test_any_bytes_are_records_or_bad_records(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    shard = tmp_path_factory.getbasetemp() / "fuzz.msg"
    shard.write_bytes(data)
    found = list(read_records(shard))
    assert all(isinstance(r, Record | BadRecord) for r in found)
    assert bool(found) == bool(data)


@given(
    st.dictionaries(
        st.sampled_from(["id", "image", "lat", "lon", "place"]), st.none() | st.floats() | st.binary() | st.text()
    )
)
def test_any_map_is_a_record_or_a_bad_record(value: dict[str, object]) -> None:
    record = parse_record(value)
    if isinstance(record, Record):
        assert record.image
        assert record.latitude is None or abs(record.latitude) <= 90


def test_nothing_half_written_takes_a_shards_name(tmp_path: Path) -> None:
    def interrupted() -> None:
        with ShardWriter(tmp_path, 2) as writer:
            for i in range(3):
                writer.add(str(i), b"x", 0, 0, 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["shard_0.index.npz", "shard_0.msg"]


def test_shards_sort_by_number() -> None:
    paths = [Path(f"shard_{n}.msg") for n in (10, 9, 100)]
    assert [p.name for p in sorted(paths, key=shard_number)] == ["shard_9.msg", "shard_10.msg", "shard_100.msg"]


def test_a_missing_shard_is_said(tmp_path: Path) -> None:
    with pytest.raises(GeotuneError, match="cannot be read"):
        list(read_records(tmp_path / "shard_0.msg"))
    with pytest.raises(GeotuneError, match="no such shard"):
        load_index(tmp_path / "shard_0.msg")
