from pathlib import Path

import pytest

from geotune.data import diagnose
from geotune.data.dataset import Dataset, open_dataset
from geotune.errors import GeotuneError


def complaint(path: Path) -> GeotuneError:
    with pytest.raises(GeotuneError) as caught:
        open_dataset(path)
    return caught.value


def test_a_missing_folder(tmp_path: Path) -> None:
    error = complaint(tmp_path / "nowhere")
    assert error.problem.endswith("nowhere: no such folder")
    assert "geotune data import PHOTOS" in error.hint


def test_a_folder_of_photos_gets_its_import_command(tmp_path: Path) -> None:
    folder = tmp_path / "my photos"
    (folder / "2024").mkdir(parents=True)
    (folder / "2024" / "a.JPG").write_bytes(b"")
    error = complaint(folder)
    assert "a folder of photos, not a dataset" in error.problem
    assert error.hint.endswith(f"geotune data import '{folder}' 'data/my photos'")


def test_a_table_and_a_folder_with_a_table(tmp_path: Path) -> None:
    table = tmp_path / "town.csv"
    table.write_text("file,latitude,longitude\n")
    assert complaint(table).hint.endswith(f"geotune data import {table} data/town")
    assert complaint(tmp_path).hint.endswith(f"geotune data import {table} data/{tmp_path.name}")


@pytest.mark.parametrize(
    ("file", "what", "command"),
    [
        ("shard_0.msg", "a folder of .msg shards", "{folder} data/{name} --in-place"),
        ("train/shard_0.msg", "a folder of .msg shards", "{folder} data/{name} --in-place"),
        ("train-00000-of-00002.parquet", "a folder of parquet files", "{folder} data/{name}"),
        ("000.tar", "a folder of .tar archives", "{folder} data/{name}"),
        ("a/000.TAR.GZ", "a folder of .tar archives", "{folder} data/{name}"),
    ],
)
def test_files_of_many_photos_get_their_import_command(tmp_path: Path, file: str, what: str, command: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_bytes(b"")
    (tmp_path / "labels.csv").write_text("")  # belongs to them
    error = complaint(tmp_path)
    assert error.problem.endswith(f"{what}, not a dataset")
    expected = command.format(folder=tmp_path, name=tmp_path.name)
    assert error.hint.endswith(f": geotune data import {expected}")
    one = complaint(tmp_path / file)
    assert one.problem.endswith("photos, not a dataset") or one.problem.endswith("table with photos, not a dataset")
    name = Path(file).name.partition(".")[0]
    assert one.hint == f"make one of it: geotune data import {tmp_path / file} data/{name}"


def test_the_folder_above_a_dataset(dataset: Dataset) -> None:
    hint = complaint(dataset.folder.parent).hint
    assert hint == f"give one of them, such as {dataset.folder}"  # right after `data=` and as a word of its own


def test_an_empty_folder_another_folder_and_a_file(tmp_path: Path) -> None:
    assert "an empty folder" in complaint(tmp_path).problem
    (tmp_path / "notes.txt").write_text("")
    assert "no dataset.json in it" in complaint(tmp_path).problem
    assert "a file, not a dataset" in complaint(tmp_path / "notes.txt").problem


def test_arguments_in_the_wrong_order_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("photos", "more", "void"):
        Path(folder).mkdir()
    Path("photos/a.jpg").write_bytes(b"")
    Path("more/a.jpg").write_bytes(b"")
    Path("town.csv").write_text("")
    for source, out, mend in (
        ("new", "photos", "did you mean: geotune data import photos new"),
        ("void", "photos", "did you mean: geotune data import photos void"),
        ("new", "town.csv", "did you mean: geotune data import town.csv new"),
        ("photos", "town.csv", "did you mean: geotune data import town.csv data/town --images photos"),
        ("town.csv", "photos", "did you mean: geotune data import town.csv data/town --images photos"),
        ("more", "photos", "name another folder; nothing that stands there is touched"),
        ("more/a.jpg", "photos", "name another folder; nothing that stands there is touched"),
        ("gone.csv", "photos", "name another folder; nothing that stands there is touched"),
    ):
        assert diagnose.in_the_way(Path(out), Path(source)).hint == mend
    assert diagnose.in_the_way(Path("photos")).problem == "photos: exists already and is no dataset (1 photo)"


def test_looking_for_photos_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(5):
        (tmp_path / str(n)).mkdir()
        (tmp_path / str(n) / "x.txt").write_text("")
    (tmp_path / "4" / "x.jpg").write_bytes(b"")
    assert diagnose.has_photo(tmp_path)
    monkeypatch.setattr(diagnose, "LOOK_AT_MOST", 0)
    assert not diagnose.has_photo(tmp_path)


def test_photos_of_phones_are_photos(tmp_path: Path) -> None:
    (tmp_path / "IMG_0001.HEIC").write_bytes(b"")
    assert "a folder of photos, not a dataset" in complaint(tmp_path).problem
