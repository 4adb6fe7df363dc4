import io
from pathlib import Path

import msgpack
import pytest

from geotune.data.shards.index import load_index
from geotune.data.shards.records import Record, read_records
from geotune.data.shards.writer import ShardWriter


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


def test_nothing_half_written_takes_a_shards_name(tmp_path: Path) -> None:
    def interrupted() -> None:
        with ShardWriter(tmp_path, 2) as writer:
            for i in range(3):
                writer.add(str(i), b"x", 0, 0, 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["shard_0.index.npz", "shard_0.msg"]


def test_a_folder_with_shards_gets_more(tmp_path: Path) -> None:
    write(tmp_path, 3, per_shard=2)
    before = (tmp_path / "shard_0.msg").read_bytes()
    with ShardWriter(tmp_path, 2, first=2) as writer:
        for i in range(3):
            writer.add(f"new{i}", b"J", 1, 2, 3)
    assert writer.shards == ["shard_2.msg", "shard_3.msg"]
    assert (tmp_path / "shard_0.msg").read_bytes() == before
    assert len(load_index(tmp_path / "shard_2.msg")) == 2


def test_strange_ids_are_read_back_as_the_index_has_them(tmp_path: Path) -> None:
    with ShardWriter(tmp_path) as writer:
        for id in ("\udcff.jpg", "x" * 5000 + ".jpg", "nul\0", "", "\0"):
            writer.add(id, b"J", 1, 2, 3)
    index = load_index(tmp_path / "shard_0.msg")
    records = list(read_records(tmp_path / "shard_0.msg", strict=True))
    assert [r.id for r in records] == list(index.id)
    assert [index.id[0], index.id[2]] == ["?.jpg", "nul"]
    assert index.id[1].endswith("xxx.jpg")
