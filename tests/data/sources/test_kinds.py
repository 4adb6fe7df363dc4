from pathlib import Path
from typing import Any

import pytest

from geotune.data.sources.kinds import source_of
from geotune.data.sources.parquet import ParquetSource
from geotune.data.sources.photos import PhotosSource
from geotune.data.sources.shards import ShardsSource
from geotune.data.sources.table import TableSource
from geotune.data.sources.webdataset import WebDatasetSource
from geotune.errors import GeotuneError


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, size in {
        "photos/a/1.jpg": 900, "photos/backup.tar": 100, "pq/data/train-0.parquet": 900, "pq/assets/logo.png": 80,
        "mixed/0.tar": 900, "mixed/p/1.jpg": 300,
        "wd/0.tar": 1, "wd/1.tgz": 1, "wd/index.json": 99, "ms/train/shard_0.msg": 1, "ms/labels.csv": 99,
        "t.csv": 1, "t.tsv": 1, "t.zip": 1, "t.doc": 1, "m.json": 1, "empty/notes.txt": 1, "made/dataset.json": 1,
        "a.JPG": 1, "a.dng": 1, "a.mp4": 1,
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("photos", PhotosSource),
        ("empty", PhotosSource),
        ("pq", ParquetSource),
        ("pq/data/train-0.parquet", ParquetSource),
        ("wd", WebDatasetSource),
        ("wd/0.tar", WebDatasetSource),
        ("wd/1.tgz", WebDatasetSource),
        ("ms", ShardsSource),
        ("ms/train/shard_0.msg", ShardsSource),
        ("t.csv", TableSource),
        ("t.tsv", TableSource),
    ],
)
def test_what_lies_there_is_recognised(files: Path, name: str, kind: Any) -> None:
    assert source_of(files / name) == kind(path=files / name)
    assert source_of(str(files / name)) == kind(path=files / name)


def test_options_reach_their_source(files: Path) -> None:
    table = source_of(files / "t.csv", images=files / "photos")
    assert table == TableSource(path=files / "t.csv", images=files / "photos")
    shards = source_of(files / "ms", labels=files / "t.csv")
    assert shards == ShardsSource(path=files / "ms", labels=(files / "t.csv",))


@pytest.mark.parametrize(
    ("name", "options", "problem", "hint"),
    [
        ("nowhere", {}, "no such file or folder", "give a folder of photos, a CSV file, or"),
        ("made", {}, "a dataset already", "use it: geotune search data="),
        ("mixed", {}, "holds both 0.tar and 1.jpg", "import them one by one: geotune data import "),
        ("a.JPG", {}, "a single photo", "give the folder that holds it"),
        ("a.dng", {}, "a single photo", "give the folder that holds it"),
        ("a.mp4", {}, "a video", "save frames of it as JPEG"),
        ("t.zip", {}, "an archive", "unpack it first"),
        ("t.doc", {}, "no source of photos", "give a folder of photos, a CSV file, or"),
        ("m.json", {}, "no source of photos", "give the .msg shards, and --labels "),
        ("photos", {"images": "pq"}, "--images belongs to a CSV file", "leave --images out"),
        ("ms", {"images": "pq"}, "--images belongs to a CSV file", "leave --images out"),
        ("photos", {"labels": "t.csv"}, "--labels belongs to .msg shards", "leave --labels out"),
        ("ms", {"labels": "no.csv"}, "no.csv: no such file", "--labels FILE"),
    ],
)
def test_others_are_refused_with_the_mend(
    files: Path, name: str, options: dict[str, str], problem: str, hint: str
) -> None:
    with pytest.raises(GeotuneError, match=problem) as caught:
        source_of(files / name, **{key: files / value for key, value in options.items()})
    assert hint in caught.value.hint
