import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from geotune.data.dataset import Dataset, open_dataset
from geotune.data.writing.writer import DatasetWriter, refuse_existing
from geotune.errors import GeotuneError


def writer(out: Path, **given: Any) -> DatasetWriter:
    return DatasetWriter(out, name="made", extent="region", split={"question": "q"}, **given)


def fill(into: DatasetWriter, splits: tuple[str, ...] = ("train", "valid", "test")) -> None:
    for i, name in enumerate(splits):
        into.add(name, f"p{i}", b"jpeg", 1.0 + i, 2.0, i)


def test_it_appears_whole_with_its_parents(tmp_path: Path) -> None:
    with writer(tmp_path / "data" / "town") as made:
        fill(made)
        made.left_out.update({"no GPS": 3})
        assert not (tmp_path / "data" / "town").exists()
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["town"]
    assert dict(open_dataset(tmp_path / "data" / "town").left_out) == {"no GPS": 3}


def test_the_fingerprint_is_that_of_the_content(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        with writer(tmp_path / name) as made:
            fill(made)
            if name == "c":
                made.add("test", "more", b"jpeg", 0, 0, 9)
    a, b, c = (open_dataset(tmp_path / name) for name in ("a", "b", "c"))
    assert a.fingerprint == b.fingerprint != c.fingerprint
    assert a.split("train").fingerprint == c.split("train").fingerprint


@pytest.mark.parametrize("fault", [KeyboardInterrupt, SystemExit, ValueError, GeotuneError("x")])
def test_a_fault_leaves_nothing_behind(tmp_path: Path, fault: Any) -> None:
    def interrupted() -> None:
        with writer(tmp_path / "data" / "town") as made:
            fill(made)
            raise fault

    with pytest.raises(type(fault) if isinstance(fault, BaseException) else fault):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_split_is_said_with_what_was_left_out(tmp_path: Path) -> None:
    def unfilled() -> None:
        with writer(tmp_path / "town") as made:
            fill(made, ("train", "train"))
            made.left_out["cannot be decoded"] = 7

    with pytest.raises(GeotuneError, match="no photo came into the valid split") as caught:
        unfilled()
    assert "7 cannot be decoded" in caught.value.problem
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_filled_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "town").mkdir()
    monkeypatch.chdir(tmp_path / "town")
    with writer(Path()) as made:
        fill(made)
    assert open_dataset(Path()).counts["train"] == 1  # the shell still stands in it
    assert [p.name for p in tmp_path.iterdir()] == ["town"]


def test_only_what_is_surely_a_dataset_may_be_removed(dataset: Dataset) -> None:
    out = dataset.folder
    with pytest.raises(GeotuneError, match="exists already") as caught:
        writer(out)
    assert caught.value.hint.endswith(f"rm -r {out}")
    with pytest.raises(GeotuneError, match="exists already") as caught:
        refuse_existing(out, source=out / "gone")  # nothing to make it of again
    assert "rm" not in caught.value.hint.split()
    (out / "my.jpg").write_bytes(b"")
    with pytest.raises(GeotuneError, match=r"is no dataset \(1 photo\)") as caught:
        writer(out)
    assert "rm" not in caught.value.hint.split()
    (out / "my.jpg").unlink()
    (out / "dataset.json").write_text('{"description": "of somebody else"}')
    with pytest.raises(GeotuneError, match="is no dataset") as caught:
        writer(out)
    assert "rm" not in caught.value.hint.split()


@pytest.mark.parametrize(
    "make", [lambda p: (p / "x").mkdir(parents=True), lambda p: p.write_text("x"), lambda p: p.symlink_to("nowhere")]
)
def test_what_exists_is_never_overwritten(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "town")
    with pytest.raises(GeotuneError, match="exists already"):
        writer(tmp_path / "town")


def test_a_folder_that_came_meanwhile_is_kept(tmp_path: Path) -> None:
    def overtaken() -> None:
        with writer(tmp_path / "town") as made:
            fill(made)
            (tmp_path / "town" / "other").mkdir(parents=True)

    with pytest.raises(GeotuneError, match="exists already"):
        overtaken()
    assert [p.name for p in tmp_path.iterdir()] == ["town"]
    assert [p.name for p in (tmp_path / "town").iterdir()] == ["other"]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GeotuneError, match=r"cannot be made \(.*file is a file\)"), writer(tmp_path / "file" / "town"):
        pass


def test_remains_of_a_killed_writer_are_swept_those_of_a_living_one_stay(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from geotune.data.writing.writer import DatasetWriter\n"
        "w = DatasetWriter(Path(sys.argv[1]), name='x', extent='region', split={}).__enter__()\n"
        "w.add('train', 'a', b'x', 0, 0, 0); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "town")], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    with writer(tmp_path / "town") as living, writer(tmp_path / "town2") as other:
        assert len(list(tmp_path.iterdir())) == 2
        fill(living)
        fill(other)
    assert sorted(os.listdir(tmp_path)) == ["town", "town2"]  # noqa: PTH208


@pytest.mark.parametrize("moves", [0, 1, 3])
def test_an_interruption_while_an_empty_folder_is_filled_leaves_it_empty(tmp_path: Path, moves: int) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from geotune.data.writing import part, writer\n"
        "plain, left = part.shutil.move, [int(sys.argv[1])]\n"
        "def move(*given):\n"
        "    if left[0] == 0: raise KeyboardInterrupt\n"
        "    left[0] -= 1; return plain(*given)\n"
        "part.shutil.move = move\n"
        "with writer.DatasetWriter(Path(), name='x', extent='region', split={}) as made:\n"
        "    for i, name in enumerate(('train', 'valid', 'test')): made.add(name, f'p{i}', b'jpeg', 1.0 + i, 2.0, i)"
    )
    (tmp_path / "town").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(moves)], check=False, cwd=tmp_path / "town", capture_output=True, text=True
    )
    assert "KeyboardInterrupt" in done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["town"]
