import random
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geotune.data.shards.index import load_index
from geotune.data.shards.records import BadRecord, Record, parse_record, read_records
from geotune.data.shards.writer import ShardWriter
from geotune.errors import GeotuneError


def write(folder: Path, count: int, per_shard: int = 4096) -> ShardWriter:
    with ShardWriter(folder, per_shard) as writer:
        for i in range(count):
            writer.add(f"é{i}", bytes([i]) * (i + 1), i / 2, -i, i % 3, {"camera": "x"})
    return writer


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
    assert reasons == [
        "empty record",
        "no map",
        "no image",
        "coordinates or place out of range",
        "only one of latitude and longitude",
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


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(GeotuneError, match="cannot be read"):
        list(read_records(tmp_path / "shard_0.msg"))


@pytest.mark.parametrize("at", [0, 3, 12, 40, 400, 700])
@pytest.mark.parametrize(
    "wrong", [b"\xc1", b"\x00", b"\xc0", b"\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xc6\x7f\xff\xff\xff"]
)
def test_damage_costs_a_record_or_two(tmp_path: Path, at: int, wrong: bytes) -> None:
    rows = [{"id": f"p{i}", "image": bytes(range(256)) * 3, "latitude": 1, "longitude": 2} for i in range(6)]
    packed = [msgpack.packb(row) for row in rows]
    second = bytearray(packed[1])
    second[at : at + len(wrong)] = wrong
    shard = tmp_path / "shard_0.msg"
    shard.write_bytes(b"".join([packed[0], bytes(second), *packed[2:]]))
    good = [r.id for r in read_records(shard) if isinstance(r, Record)]
    assert good[0] == "p0"
    assert good[-3:] == ["p3", "p4", "p5"]
    (tmp_path / "end.msg").write_bytes(packed[0] + bytes(second)[:500])
    found = list(read_records(tmp_path / "end.msg"))
    assert isinstance(found[-1], BadRecord)
    assert found[-1].reason in ("cut off", "damaged to the end", "no map", "no image")


def test_a_shard_of_noise_is_one_damage(tmp_path: Path) -> None:
    shard = tmp_path / "shard_0.msg"
    shard.write_bytes(random.Random(0).randbytes(3_000_000))
    assert len(list(read_records(shard))) < 5
    shard.write_bytes(b"\x81\xa5image\xc6\x03\xff\xff\xff" * 20_000)  # each claims 67 MB
    (bad,) = read_records(shard)
    assert isinstance(bad, BadRecord)
