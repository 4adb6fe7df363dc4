import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgpack
import numpy as np
import pytest

from geotune.data.dataset import FORMAT, Dataset, DatasetFile, SplitFile, open_dataset
from geotune.data.shards.links import LinkWriter
from geotune.data.shards.records import Record, read_records
from geotune.errors import GeotuneError

SPLITS = ("train", "valid", "test")


@pytest.fixture
def shards(tmp_path: Path, jpeg: Callable[..., bytes]) -> list[Path]:
    """Two shards of six photos as others write them: without coordinates, and one lost photo."""
    made = []
    for n in range(2):
        rows = [{"image": jpeg(6 * n + i), "id": f"{6 * n + i}.jpg"} for i in range(6)]
        path = tmp_path / "theirs" / f"shard_{n}.msg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"".join(map(msgpack.packb, [*rows[:3], None, *rows[3:]])))
        made.append(path)
    return made


def link(shards: list[Path], out: Path) -> Dataset:
    """A dataset of four photos a split, taken in turns from both shards."""
    writers = {name: LinkWriter(out / name) for name in SPLITS}
    found = [(path, r) for path in shards for r in read_records(path) if isinstance(r, Record)]
    for i, (path, r) in enumerate(found):
        writers[SPLITS[i % 3]].add(path, r.offset, r.length, r.id, 50 + i / 10, 8.0, i)
    for writer in writers.values():
        writer.__exit__(None, None, None)
    splits = {
        name: SplitFile(photos=w.photos, places=4, shards=w.shards, links=w.links, fingerprint=w.digest)
        for name, w in writers.items()
    }
    described = DatasetFile(format=FORMAT, name="x", extent="region", splits=splits, split={}, fingerprint="f")
    (out / "dataset.json").write_text(described.model_dump_json())
    return open_dataset(out)


def test_photos_are_read_where_they_lie(tmp_path: Path, shards: list[Path], jpeg: Callable[..., bytes]) -> None:
    dataset = link(shards, tmp_path / "data" / "town")
    valid = dataset.split("valid")
    assert list(valid.ids) == ["1.jpg", "4.jpg", "7.jpg", "10.jpg"]
    assert [valid.photo(i) for i in range(4)] == [jpeg(1), jpeg(4), jpeg(7), jpeg(10)]
    np.testing.assert_allclose(valid.lat, [50.1, 50.4, 50.7, 51.0])
    assert sorted(p.suffix for p in dataset.folder.rglob("*.*")) == [".json"] + [".npz"] * 6
    assert len({dataset.split(name).fingerprint for name in SPLITS}) == 3


def test_dataset_and_shards_may_move_together(tmp_path: Path, shards: list[Path]) -> None:
    before = link(shards, tmp_path / "data" / "town").split("train").photo(2)
    for name in ("data", "theirs"):
        shutil.copytree(tmp_path / name, tmp_path / "moved" / name)
        shutil.rmtree(tmp_path / name)
    assert open_dataset(tmp_path / "moved" / "data" / "town").split("train").photo(2) == before


def test_far_shards_have_absolute_paths(tmp_path: Path, shards: list[Path]) -> None:
    dataset = link(shards, tmp_path / "a" / "b" / "c")
    (first, _) = dataset.description.splits["train"].links.values()
    assert first.path == str(shards[0].resolve())
    assert dataset.split("train").photo(0)


def test_links_hold_through_a_symbolic_link(tmp_path: Path, shards: list[Path]) -> None:
    (tmp_path / "disk" / "deep" / "er").mkdir(parents=True)
    (tmp_path / "data").symlink_to(tmp_path / "disk" / "deep" / "er")
    assert link(shards, tmp_path / "data" / "town").split("train").photo(0)


def test_the_digest_names_the_photos(tmp_path: Path, shards: list[Path]) -> None:
    def digest(sha: str, lat: float = 1.0) -> str:
        writer = LinkWriter(tmp_path / "x")
        writer.add(shards[0], 0, 10, "a", lat, 2.0, 0, sha=sha)
        return writer.digest

    first = digest("")
    os.utime(shards[0], ns=(0, 0))
    assert len({first, digest(""), digest("s"), digest("t"), digest("s", 1.5)}) == 5
    assert digest("s") == digest("s")


def append(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"\xc0")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (Path.unlink, "No such file or directory"),
        (append, r"changed since the import \([\d,]+ bytes then, [\d,]+ now\)"),
        (lambda path: os.utime(path, ns=(0, 0)), "written to since the import"),
    ],
)
def test_a_changed_shard_is_said(
    tmp_path: Path, shards: list[Path], change: Callable[[Path], object], message: str
) -> None:
    dataset = link(shards, tmp_path / "town")
    train = dataset.split("train")
    change(shards[1])
    with pytest.raises(GeotuneError, match=message) as caught:
        dataset.split("train")
    assert "--in-place" in caught.value.hint
    assert train.photo(0)
    with pytest.raises(GeotuneError, match=message):
        train.photo(3)


def test_an_index_of_a_link_cannot_be_made_again(tmp_path: Path, shards: list[Path]) -> None:
    dataset = link(shards, tmp_path / "town")
    index = dataset.folder / "test" / "link_1.index.npz"
    index.write_bytes(index.read_bytes()[:50])
    with pytest.raises(GeotuneError, match=r"link_1.index.npz: cannot be read \("):
        dataset.split("test")
    index.unlink()
    with pytest.raises(GeotuneError, match=r"link_1.index.npz: cannot be read \(no such file\)"):
        dataset.split("test")


def test_a_fault_writes_no_index(tmp_path: Path, shards: list[Path]) -> None:
    def interrupted() -> None:
        with LinkWriter(tmp_path / "train") as writer:
            writer.add(shards[0], 0, 10, "a", 1.0, 2.0, 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list((tmp_path / "train").iterdir()) == []


def test_what_the_cache_may_remove_is_not_linked(tmp_path: Path, shards: list[Path], cache: Path) -> None:
    fetched = cache / "remote" / "x" / "shard_0.msg"
    fetched.parent.mkdir(parents=True)
    shutil.copy(shards[0], fetched)
    with pytest.raises(GeotuneError, match="fetched from afar") as caught:
        LinkWriter(tmp_path / "train").add(fetched, 0, 10, "a", 1.0, 2.0, 0)
    assert "leave --in-place out" in caught.value.hint


def test_names_of_shards_are_no_paths(dataset: Dataset) -> None:
    described = dataset.folder / "dataset.json"
    content = json.loads(described.read_text())
    content["splits"]["train"]["shards"][0] = "../valid/shard_0.msg"
    described.write_text(json.dumps(content))
    with pytest.raises(GeotuneError, match="is no name of a shard"):
        open_dataset(dataset.folder)
