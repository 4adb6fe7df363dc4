import io
from pathlib import Path

import msgpack
import numpy as np
import pytest

from geotune.data.index import index_path, load_index
from geotune.data.records import Record, read_records
from geotune.data.shards import ShardWriter
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


def test_an_unreadable_index_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, 5)
    index_path(tmp_path / "shard_0.msg").write_bytes(b"x")
    for _ in range(6):
        assert len(load_index(tmp_path / "shard_0.msg").id) == 5
    assert [record.getMessage().partition(" cannot")[0] for record in caplog.records] == [
        str(tmp_path / "shard_0.index.npz")
    ]


def test_nothing_half_written_takes_a_shards_name(tmp_path: Path) -> None:
    def interrupted() -> None:
        with ShardWriter(tmp_path, 2) as writer:
            for i in range(3):
                writer.add(str(i), b"x", 0, 0, 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["shard_0.index.npz", "shard_0.msg"]


def test_a_missing_shard_is_said(tmp_path: Path) -> None:
    with pytest.raises(GeotuneError, match="no such shard"):
        load_index(tmp_path / "shard_0.msg")
