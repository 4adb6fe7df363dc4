import itertools
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geotune.data.shards import stream as streaming
from geotune.data.shards.records import BadRecord, Record
from geotune.data.shards.stream import stream
from geotune.errors import GeotuneError


def write(folder: Path, sizes: list[int]) -> list[Path]:
    """Shards of so many records each, named by their number overall."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"shard_{n}.msg" for n in range(len(sizes))]
    number = 0
    for path, size in zip(paths, sizes, strict=True):
        rows = [{"id": str(number + i), "image": b"J" * (1 + i % 7), "lat": 1, "lon": 2} for i in range(size)]
        path.write_bytes(b"".join(map(msgpack.packb, rows)))
        number += size
    return paths


def ids(shards: list[Path], **given: Any) -> list[str]:
    return [record.id for record in stream(shards, **given)]


sizes_ = st.lists(st.integers(0, 12), max_size=7)


@given(
    sizes_, st.integers(1, 5), st.integers(1, 4), st.integers(1, 20), st.none() | st.integers(0, 99), st.integers(0, 3)
)
def test_all_readers_together_get_each_record_once(
    tmp_path_factory: pytest.TempPathFactory,
    sizes: list[int], ranks: int, workers: int, buffer: int, seed: int | None, epoch: int,
) -> None:  # fmt: skip
    shards = write(tmp_path_factory.getbasetemp() / "once", sizes)
    topology = [
        {"rank": r, "ranks": ranks, "worker": w, "workers": workers} for r in range(ranks) for w in range(workers)
    ]
    lists = [ids(shards, seed=seed, epoch=epoch, buffer=buffer, **who) for who in topology]
    assert sorted(itertools.chain(*lists), key=int) == [str(i) for i in range(sum(sizes))]
    assert [ids(shards, seed=seed, epoch=epoch, buffer=buffer, **who) for who in topology] == lists


@given(sizes_, st.integers(0, 30), st.integers(0, 99), st.integers(1, 3))
def test_an_epoch_is_resumed_exactly(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], start: int, seed: int, ranks: int
) -> None:
    shards = write(tmp_path_factory.getbasetemp() / "resumed", sizes)
    given: dict[str, Any] = {"seed": seed, "epoch": 2, "ranks": ranks, "rank": ranks - 1, "buffer": 4}
    assert ids(shards, start=start, **given) == ids(shards, **given)[start:]


def test_work_is_even_however_shards_and_readers_match(tmp_path: Path) -> None:
    for shards in range(1, 8):
        paths = write(tmp_path, [60] * shards)
        for ranks in range(1, 9):
            counts = [len(ids(paths, rank=r, ranks=ranks)) for r in range(ranks)]
            together = 60 * shards / ranks
            assert sum(counts) == 60 * shards
            assert max(counts) <= 2 * together  # no reader stands idle, none has a shard more than another
            assert min(counts) >= together / 2


def test_without_a_seed_the_order_is_that_of_the_shards(tmp_path: Path) -> None:
    assert ids(write(tmp_path, [5, 0, 4])) == [str(i) for i in range(9)]


def test_order_changes_with_seed_and_epoch_and_mixes_shards(tmp_path: Path) -> None:
    shards = write(tmp_path, [100] * 4)
    orders = [tuple(ids(shards, seed=s, epoch=e, buffer=200)) for s, e in ((0, 0), (0, 1), (1, 0))]
    assert len(set(orders)) == 3
    assert len({int(id) // 100 for id in orders[0][:60]}) >= 2
    neighbours = sum(int(b) - int(a) == 1 for a, b in itertools.pairwise(orders[0]))
    assert neighbours < 10


def test_bad_records_are_counted_once_by_all_readers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shard = tmp_path / "shard_0.msg"
    rows: list[Any] = [None, {"id": "a", "image": b"J"}, 7, None, {"id": "b", "image": b"J"}, {"id": "c"}]
    shard.write_bytes(b"".join(map(msgpack.packb, rows)))
    bad: list[BadRecord] = []
    for rank in range(3):
        list(stream([shard], rank=rank, ranks=3, on_bad=lambda path, record: bad.append(record)))
    assert sorted(str(record) for record in bad) == [
        "empty record", "empty record", "no image", "no map (found int)",
    ]  # fmt: skip
    assert len(ids([shard])) == 2
    assert caplog.records[0].getMessage() == f"{shard}: 4 bad records left out: 2 empty record, 1 no map, 1 no image"


def test_the_buffer_is_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "BUFFER_BYTES", 200)
    held = most = 0

    def watched() -> Any:
        nonlocal held, most
        for i in range(50):
            held += 1
            most = max(most, held)
            yield Record(str(i), b"", None, None, length=60)

    for _ in streaming._shuffled(watched(), 1000, np.random.default_rng(0)):
        held -= 1
    assert most <= 5


@pytest.mark.parametrize("wrong", [{"rank": 2, "ranks": 2}, {"worker": -1}, {"start": -1}, {"buffer": 0}])
def test_a_reader_that_cannot_be_is_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="no such reader"):
        ids(write(tmp_path, [3]), **wrong)


def test_a_missing_shard_is_said(tmp_path: Path) -> None:
    with pytest.raises(GeotuneError, match=r"shard_9.msg: cannot be read"):
        ids([tmp_path / "shard_9.msg"])
