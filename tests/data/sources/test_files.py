import os
from pathlib import Path

import pytest

from geotune.data.sources import files
from geotune.data.sources.files import Held, file_fault, files_below, read_file, read_part, readable, split_of


def test_files_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("shard_10.msg", "shard_9.msg", "b/x.MSG", "a10/y.msg", "a9/y.msg", ".hidden/z.msg", ".z.msg", "n.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = [path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path, [".msg"])]
    assert found == ["shard_9.msg", "shard_10.msg", "a9/y.msg", "a10/y.msg", "b/x.MSG"]
    assert list(files_below(tmp_path / "n.txt", [".msg"])) == [tmp_path / "n.txt"]
    assert list(files_below(tmp_path / "nowhere")) == []


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train-00000-of-00002.parquet", "train"), ("validation-0.parquet", "valid"), ("test.tar", "test"),
        ("val_3.tar", "valid"), ("dev.csv", "valid"), ("TRAINING/0.tar", "train"), ("data/Test/00.tar", "test"),
        ("test/train-1.tar", "train"), ("trainstation.tar", ""), ("contest/1.tar", ""), ("shard_0.msg", ""),
    ],
)  # fmt: skip
def test_splits_by_name(name: str, split: str) -> None:
    assert split_of(Path("/train/x") / name, Path("/train/x")) == split  # what stands above the source says nothing


def test_reading_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"12345")
    assert (file_fault(path), read_file(path), read_part(path, 1, 3)) == ("", b"12345", b"234")
    with pytest.raises(OSError, match="changed meanwhile"):
        read_part(path, 3, 3)
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 4)
    assert file_fault(path) == "larger than 256 MiB"
    with pytest.raises(OSError, match="larger than 256 MiB"):
        read_file(path)
    os.mkfifo(tmp_path / "pipe.jpg")
    assert file_fault(tmp_path / "pipe.jpg") == "cannot be read (no plain file)"
    assert file_fault(tmp_path / "nowhere") == "cannot be read (No such file or directory)"


def test_names_become_utf8() -> None:
    assert [readable(name) for name in ("grün/1.jpg", "caf\udce9.jpg", "\ud83d.jpg")] == [
        "grün/1.jpg",
        "caf\\xe9.jpg",
        "\\ud83d.jpg",
    ]
    assert len({readable(os.fsdecode(bytes([byte]))) for byte in range(256)}) == 256


def test_held_bytes_are_taken_once() -> None:
    held = Held(b"x")
    assert held() == b"x"
    with pytest.raises(RuntimeError, match="taken before"):
        held()
