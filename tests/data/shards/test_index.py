import json
import logging
import os
import zipfile
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

from geotune.data.shards.index import index_path, load_index, read_index, save_index, warn_once
from geotune.data.shards.records import Record, read_records
from geotune.data.shards.writer import ShardWriter
from geotune.errors import GeotuneError


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """A shard of five photos and its index."""
    with ShardWriter(tmp_path / "own") as writer:
        for i in range(5):
            writer.add(f"é{i}", bytes([i]) * (i + 1), i / 2, -i, i % 3, {"camera": "x"})
    return tmp_path / "own" / "shard_0.msg"


def test_index_gives_random_access(shard: Path) -> None:
    index, data = load_index(shard), shard.read_bytes()
    packed = data[index.offset[3] : index.offset[3] + index.length[3]]
    assert msgpack.unpackb(packed)["id"] == index.id[3] == "é3"
    assert index.offset[-1] + index.length[-1] == len(data)


@pytest.mark.parametrize("spoil", ["missing", "garbage", "older"])
def test_without_a_sound_index_the_shard_is_read_and_the_index_kept(shard: Path, tmp_path: Path, spoil: str) -> None:
    whole, before = load_index(shard), index_path(shard).read_bytes()
    if spoil == "missing":
        index_path(shard).unlink()
    elif spoil == "garbage":
        index_path(shard).write_bytes(before[:90])
    else:
        other = tmp_path / "other.msg"
        other.write_bytes(msgpack.packb({"id": "a", "image": b"J", "lat": 1, "lon": 2}))
        load_index(other)
        index_path(shard).write_bytes(index_path(other).read_bytes())
    again = load_index(shard)
    for name, column in vars(whole).items():
        np.testing.assert_array_equal(getattr(again, name), column)
    assert index_path(shard).read_bytes() == before
    assert sorted(path.name for path in shard.parent.iterdir()) == ["shard_0.index.npz", "shard_0.msg"]


def test_beside_a_shard_that_may_not_be_written_to_the_index_is_kept_in_the_cache(
    shard: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load_index(shard)
    index_path(shard).unlink()
    index_path(shard).mkdir()  # for root too
    assert len(load_index(shard)) == 5
    (kept,) = (cache / "indices").iterdir()
    monkeypatch.setattr("geotune.data.shards.index._read_shard", None)  # is not read again
    np.testing.assert_array_equal(load_index(shard).offset, whole.offset)
    os.utime(shard, ns=(0, 0))
    with pytest.raises(TypeError):
        load_index(shard)
    assert kept.is_file()


def test_what_is_left_out_is_said_by_every_process(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shard = tmp_path / "shard_0.msg"
    good = {"id": "a", "image": b"J", "lat": 1, "lon": 2}
    shard.write_bytes(b"".join(map(msgpack.packb, [None, good, None, {"id": "b", "image": b"J"}])))
    for _ in range(2):
        warn_once.cache_clear()  # a new process
        caplog.clear()
        for _ in range(3):
            assert list(load_index(shard).id) == ["a"]
        assert [r.getMessage() for r in caplog.records] == [
            f"{shard}: 3 bad records left out: 2 empty record, 1 no coordinates"
        ]
    assert index_path(shard).is_file()


def test_an_unreadable_index_is_said_once(shard: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        index_path(shard).write_bytes(b"x")
        assert len(load_index(shard)) == 5
    assert [record.getMessage().partition(" cannot")[0] for record in caplog.records] == [str(index_path(shard))]
    assert caplog.records[0].levelno == logging.WARNING


def columns(shard: Path, **other: Any) -> dict[str, Any]:
    return {"size": np.int64(shard.stat().st_size), **vars(load_index(shard)), **other}


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"offset": np.arange(4)}, "columns differ in length"),
        ({"offset": np.zeros((5, 1), np.int64)}, "columns differ in length"),
        ({"place": np.zeros(5)}, "columns have other types"),
        ({"id": np.arange(5)}, "columns have other types"),
        ({"offset": np.full(5, -1)}, "points outside the shard"),
        ({"offset": np.full(5, 2**63 - 1)}, "points outside the shard"),
        ({"length": np.full(5, 2**62)}, "points outside the shard"),
        ({"latitude": np.full(5, np.nan)}, "points outside the shard or the Earth"),
        ({"bad": np.array("[1]")}, "counts are damaged"),
        ({"id": np.array(["a", None] * 2 + ["b"], dtype=object)}, "allow_pickle"),
    ],
)
def test_an_index_is_checked_before_it_is_believed(shard: Path, other: dict[str, Any], message: str) -> None:
    np.savez(index_path(shard), **columns(shard, **other))
    with pytest.raises(ValueError, match=message):
        read_index(index_path(shard), shard.stat().st_size)
    assert len(load_index(shard)) == 5


def test_a_packed_index_is_not_unpacked(shard: Path) -> None:
    size = shard.stat().st_size
    np.savez_compressed(index_path(shard), **columns(shard))
    with pytest.raises(ValueError, match="not an index of geotune's"):
        read_index(index_path(shard), size)
    with zipfile.ZipFile(index_path(shard), "w") as archive:  # a header that claims a terabyte
        header = f"{{'descr': '<i8', 'fortran_order': False, 'shape': ({2**37},), }}".ljust(117) + "\n"
        archive.writestr("size.npy", b"\x93NUMPY\x01\x00\x76\x00" + header.encode())
    with pytest.raises(ValueError, match=r"."):
        read_index(index_path(shard), size)


def test_an_index_is_written_whole_or_not_at_all(shard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fileno: int) -> None:
        raise OSError(28, "No space left on device")

    index, before = load_index(shard), index_path(shard).read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_index(index_path(shard), index, 1)
    assert index_path(shard).read_bytes() == before
    assert len(list(shard.parent.iterdir())) == 2


def test_a_missing_shard_is_said(tmp_path: Path) -> None:
    with pytest.raises(GeotuneError, match="no such shard"):
        load_index(tmp_path / "shard_0.msg")


def test_a_shard_that_changes_while_it_is_read_is_said(shard: Path) -> None:
    index_path(shard).unlink()
    records = read_records(shard)
    assert isinstance(next(records), Record)
    with shard.open("ab") as stream:
        stream.write(json.dumps({}).encode())
    with pytest.raises(GeotuneError, match=r"shard_0.msg: changed while it was read"):
        list(records)
