import io
import itertools
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

from geotune.data.dataset import Dataset, open_dataset
from geotune.errors import GeotuneError


def described(dataset: Dataset) -> Path:
    return dataset.folder / "dataset.json"


def alter(dataset: Dataset, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(described(dataset).read_text())
    change(content)
    described(dataset).write_text(json.dumps(content))


def test_what_was_written_is_opened(dataset: Dataset, jpeg: Callable[..., bytes]) -> None:
    assert (dataset.name, dataset.extent, dataset.split_question) == ("made", "world", "here")
    assert dict(dataset.counts) == {"train": 10, "valid": 10, "test": 10}
    valid = dataset.split("valid")
    assert len(valid) == 10
    assert list(valid.ids) == [f"p{i}" for i in range(10, 20)]
    np.testing.assert_allclose(valid.lat, 10 + np.arange(10, 20) / 10)
    assert list(valid.place[:4]) == [5, 5, 6, 6]
    assert valid.photo(7) == jpeg(17)


def test_photos_can_be_read_by_several_threads(dataset: Dataset, jpeg: Callable[..., bytes]) -> None:
    split = dataset.split("train")
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(split.photo, list(range(10)) * 20)) == [jpeg(i) for i in range(10)] * 20


def test_each_split_has_its_own_fingerprint(dataset: Dataset) -> None:
    assert len({dataset.split(name).fingerprint for name in dataset.counts} | {dataset.fingerprint}) == 4


def test_shards_without_an_index_open_too(dataset: Dataset) -> None:
    before = dataset.split("test")
    for index in dataset.folder.rglob("*.npz"):
        index.unlink()
    after = dataset.split("test")
    np.testing.assert_array_equal(before.lat, after.lat)
    assert after.photo(9) == before.photo(9)


def test_a_damaged_shard_is_named(dataset: Dataset) -> None:
    shard = dataset.folder / "train" / "shard_0.msg"
    data = bytearray(shard.read_bytes())
    data[:40] = b"\xc1" * 40
    shard.write_bytes(data)
    split = dataset.split("train")
    with pytest.raises(GeotuneError, match=r"shard_0.msg: damaged at photo p0"):
        split.photo(0)
    assert split.photo(1)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data[:100], r"train holds 6 of the 10 photos .* promises \(shard_0.msg is cut off\)"),
        (lambda data: b"", r"train holds 6 of the 10 photos .* promises \(shard_0.msg is empty\)"),
        (
            lambda data: b"\xc1" * 20 + data[19:],
            r"train holds 9 of the 10 photos .* promises \(shard_0.msg is damaged\)",
        ),
        (lambda data: next(iter(cut_behind_a_record(data))), r"train holds 7 of the 10 photos .* promises\n"),
    ],
)
def test_a_split_holds_what_was_promised(
    dataset: Dataset, spoil: Callable[[bytes], bytes], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    shard = dataset.folder / "train" / "shard_0.msg"
    shard.write_bytes(spoil(shard.read_bytes()))
    for _ in range(3):
        with pytest.raises(GeotuneError, match=message) as caught:
            dataset.split("train")
        assert "geotune data import" in caught.value.hint
    assert len(caplog.records) <= 1  # said once, however often the split is opened
    assert len(dataset.split("valid")) == 10


def cut_behind_a_record(data: bytes) -> Iterator[bytes]:
    unpacker = msgpack.Unpacker(io.BytesIO(data))
    for _ in unpacker:
        yield data[: unpacker.tell()]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format=99), "written by a newer geotune"),
        (lambda d: d.pop("extent"), "damaged .*extent"),
        (lambda d: d["splits"]["train"].update(photos="many"), "damaged .*splits.train.photos"),
        (lambda d: d["splits"]["train"].update(photos=0), "has no training photos"),
        (lambda d: d["splits"].pop("train"), "has no training photos"),
        (lambda d: d["splits"]["test"]["shards"].append("shard_9.msg"), "test/shard_9.msg is missing"),
    ],
)
def test_a_wrong_description_is_said(
    dataset: Dataset, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    alter(dataset, change)
    with pytest.raises(GeotuneError, match=message) as caught:
        open_dataset(dataset.folder)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00\xff", '{"format": "x"}'])
def test_a_broken_description_is_said(dataset: Dataset, text: str) -> None:
    described(dataset).write_text(text, encoding="latin-1")
    with pytest.raises(GeotuneError, match=r"dataset.json: damaged") as caught:
        open_dataset(dataset.folder)
    assert "geotune data import" in caught.value.hint


def test_a_missing_split_is_said(dataset: Dataset) -> None:
    alter(dataset, lambda d: d["splits"].pop("valid"))
    with pytest.raises(GeotuneError, match=r"has no valid split \(it has train, test\)"):
        open_dataset(dataset.folder).split("valid")


def test_subsets_are_nested_and_keep_their_rows(dataset: Dataset) -> None:
    train = dataset.split("train")
    parts = [train.subset(fraction) for fraction in (0.01, 0.1, 0.25, 0.5, 1)]
    assert [len(part) for part in parts] == [1, 1, 3, 5, 10]
    for small, large in itertools.pairwise(parts):
        assert set(small.rows) <= set(large.rows)
    half = parts[3]
    assert list(half.rows) == sorted(half.rows)
    np.testing.assert_array_equal(half.ids, train.ids[half.rows])
    assert [half.photo(i) for i in range(5)] == [train.photo(int(row)) for row in half.rows]
    assert (half.full, half.fingerprint) == (10, train.fingerprint)
    again = half.subset(0.4)
    assert set(again.rows) == set(train.subset(0.2).rows)


@pytest.mark.parametrize("fraction", [0, -0.1, 1.5, float("nan")])
def test_a_subset_is_a_share(dataset: Dataset, fraction: float) -> None:
    with pytest.raises(ValueError, match="fraction="):
        dataset.split("train").subset(fraction)


def test_a_shard_that_shrinks_under_a_reader_is_said(dataset: Dataset) -> None:
    train = dataset.split("train")
    assert train.photo(3)
    shard = dataset.folder / "train" / "shard_0.msg"
    os.truncate(shard, 100)
    with pytest.raises(GeotuneError, match=r"shard_0.msg: damaged at photo p3"):
        train.photo(3)
    shard.unlink()
    with pytest.raises(GeotuneError, match=r"photo p3 cannot be read \(No such file"):
        train.photo(3)


def test_all_that_is_stored_can_be_read(dataset: Dataset) -> None:
    record = dataset.split("valid").record(2)
    assert (record.id, record.place, record.extra) == ("p12", 6, {})
