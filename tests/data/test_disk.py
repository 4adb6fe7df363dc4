"""Disks that are full, and folders that may not be written to: said, and nothing half-made stays."""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from geotune.data.dataset import Dataset, open_dataset
from geotune.data.shards.index import index_path, load_index
from geotune.data.shards.records import Record
from geotune.data.shards.stream import stream
from geotune.data.writing.writer import DatasetWriter
from geotune.errors import GeotuneError

FULL = """
import resource, sys
from pathlib import Path
from geotune.data.writing.writer import DatasetWriter
from geotune.errors import GeotuneError

resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    with DatasetWriter(Path(sys.argv[1]), name="made", extent="region", split={}) as writer:
        for i in range(100):
            for name in ("train", "valid", "test"):
                writer.add(name, str(i), bytes(10_000), 1.0, 2.0, i)
except GeotuneError as error:
    print(error)
"""


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, str(tmp_path / "data" / "town")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "town: cannot be written (File too large)" in done.stdout  # with a disk that is full: No space left
    assert "free some space" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_without_room_for_an_index_a_dataset_opens_all_the_same(dataset: Dataset, cache: Path) -> None:
    for index in dataset.folder.rglob("*.npz"):
        index.unlink()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        train = dataset.split("train")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(train) == 10
    assert not list(dataset.folder.rglob("*index*"))


@pytest.fixture
def common() -> Iterator[Path]:
    """A folder that other users may look into, as those of pytest may not be."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def as_nobody(work: Callable[[], str]) -> str:
    """What `work` says in a child that may write nothing of root's; as it is where we are not root."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            said = work()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as stream:
        said = stream.read()
    os.waitpid(child, 0)
    return said


def test_a_folder_that_may_only_be_read(
    common: Path, jpeg: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with DatasetWriter(common / "made", name="made", extent="region", split={}) as writer:
        for name in ("train", "valid", "test"):
            writer.add(name, name, jpeg(0), 1.0, 2.0, 0)
    shard = common / "made" / "train" / "shard_0.msg"
    load_index(shard)  # imports all that is needed
    open_dataset(common / "made").split("train").photo(0)
    index_path(shard).unlink()
    for folder in (common, common / "made", common / "made" / "train"):
        folder.chmod(0o555)
    monkeypatch.setenv("GEOTUNE_CACHE", str(common / "cache"))

    def read() -> str:
        train = open_dataset(common / "made").split("train")
        found = [r.id for r in stream([shard]) if isinstance(r, Record)]
        return f"{len(train)} {len(train.photo(0)) > 0} {found}"

    def made() -> str:
        try:
            with DatasetWriter(common / "other", name="x", extent="region", split={}):
                pass
        except GeotuneError as error:
            return str(error)
        return "written"

    assert as_nobody(read) == "1 True ['train']"
    assert "other: cannot be made (Permission denied)" in as_nobody(made)
    for folder in (common, common / "made", common / "made" / "train"):
        folder.chmod(0o755)
