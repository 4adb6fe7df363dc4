import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from geotune.config import build
from geotune.data.dataset import open_dataset
from geotune.data.importer import Imported, ImportSettings, import_photos, prepare, source_of
from geotune.data.sources.found import LeftOut, Photo
from geotune.data.sources.photos import PhotosSource
from geotune.data.sources.table import TableSource
from geotune.errors import GeotuneError, SettingsError
from geotune.geo.extent import extent_of

SECRET = b"home of Ada"


def settings(source: Path, **given: Any) -> ImportSettings:
    chosen = source_of(source, given.pop("images", None))
    return build(ImportSettings, {"source": chosen.model_dump(), **given})


def run(source: Path, out: Path, **given: Any) -> Imported:
    return import_photos(settings(source, **given), out, extent_of=extent_of)


def telling_photo(path: Path, size: tuple[int, int] = (80, 60), lat: float = 52.0, **more: Any) -> None:
    """A photo that says more than it should: position, camera, comment, XMP."""
    exif = Image.Exif()
    exif[0x010F] = SECRET.decode()
    exif[0x8825] = {1: "N", 2: (lat, 0.0, 0.0), 3: "E", 4: (0.5, 0.0, 0.0)}
    for tag, value in more.items():
        exif[int(tag.removeprefix("tag"), 16)] = value
    picture = Image.new("RGB", size, "red")
    picture.paste("blue", (0, size[1] // 2, size[0], size[1]))
    picture.save(path, exif=exif, comment=SECRET, xmp=b"<x>" + SECRET + b"</x>", quality=95)


@pytest.fixture
def table(tmp_path: Path, jpeg: Callable[..., bytes]) -> Path:
    """Twelve photos, 100 m apart, of which one is broken and one missing."""
    (tmp_path / "src").mkdir()
    lines = ["file,latitude,longitude"]
    for i in range(12):
        if i != 4:
            (tmp_path / "src" / f"{i}.jpg").write_bytes(b"\xff\xd8broken" if i == 5 else jpeg(i))
        lines.append(f"{i}.jpg,{52 + i / 1112},0.1")
    (tmp_path / "src" / "labels.csv").write_text("\n".join(lines))
    return tmp_path / "src" / "labels.csv"


def test_a_table_becomes_a_dataset(table: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    out = tmp_path / "data" / "town"
    import_photos(settings(table), out, extent_of=extent_of, on_progress=lambda *now: told.append(now))
    dataset = open_dataset(out)
    assert (dataset.name, dataset.extent) == ("town", "region")
    assert sum(dataset.counts.values()) == 10
    assert dict(dataset.left_out) == {"file not found": 1, "cannot be decoded": 1}
    splits = [dataset.split(name) for name in dataset.counts]
    found = {str(split.ids[i]): split.lat[i] for split in splits for i in range(len(split))}
    assert found == {f"{i}.jpg": pytest.approx(52 + i / 1112) for i in range(12) if i not in (4, 5)}
    assert told[11] == ("looking for positions", 12, None)
    assert told[-1] == ("importing photos", 11, 11)
    assert sorted(p.name for p in table.parent.iterdir()) == sorted(
        [f"{i}.jpg" for i in range(12) if i != 4] + ["labels.csv"]
    )


def test_the_same_source_gives_the_same_bytes(table: Path, tmp_path: Path) -> None:
    run(table, tmp_path / "a")
    run(table, tmp_path / "b")
    assert open_dataset(tmp_path / "a").fingerprint == open_dataset(tmp_path / "b").fingerprint


def test_no_metadata_survives_and_orientation_is_applied(tmp_path: Path) -> None:
    telling_photo(tmp_path / "a.jpg", tag0112=6)  # turned to the right: the red top comes to the right
    assert SECRET in (tmp_path / "a.jpg").read_bytes()
    stored = prepare(Photo("a", tmp_path / "a.jpg", 0, 0), 512)
    assert isinstance(stored, bytes)
    assert SECRET not in stored
    for marker in (b"Exif", b"http://ns.adobe.com", b"\xff\xfe", b"\xff\xe1"):
        assert marker not in stored[:400]
    picture = Image.open(io.BytesIO(stored))
    assert picture.size == (60, 80)
    assert not picture.getexif()
    red, _, blue = np.asarray(picture)[40, -5]
    assert red > 200 > blue


@pytest.mark.parametrize(
    ("size", "stored"), [((1600, 1200), (400, 300)), ((300, 1200), (100, 400)), ((90, 60), (90, 60))]
)
def test_the_longest_side_is_bounded_never_enlarged(
    tmp_path: Path, size: tuple[int, int], stored: tuple[int, int]
) -> None:
    telling_photo(tmp_path / "a.jpg", size)
    small = prepare(Photo("a", tmp_path / "a.jpg", 0, 0), 400)
    assert isinstance(small, bytes)
    assert Image.open(io.BytesIO(small)).size == stored


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "LA", "1", "I;16"])
def test_every_kind_of_picture_becomes_rgb(tmp_path: Path, mode: str) -> None:
    suffix = "tif" if mode == "CMYK" else "png"
    Image.new("RGB", (64, 48), "white").convert("L" if mode in ("I;16", "LA") else mode).convert(mode).save(
        tmp_path / f"a.{suffix}"
    )
    stored = prepare(Photo("a", tmp_path / f"a.{suffix}", 0, 0), 512)
    assert isinstance(stored, bytes)
    assert Image.open(io.BytesIO(stored)).mode == "RGB"


def test_what_cannot_be_imported_is_left_out_with_a_reason(tmp_path: Path, jpeg: Callable[..., bytes]) -> None:
    files = {
        "cut.jpg": (jpeg(0, 600, 600)[:900], "cannot be decoded"),
        "text.jpg": (b"hello", "cannot be decoded"),
        "empty.jpg": (b"", "cannot be decoded"),
        "dot.jpg": (jpeg(0, 8, 8), "smaller than 32 px"),
    }
    for name, (content, reason) in files.items():
        (tmp_path / name).write_bytes(content)
        assert prepare(Photo(name, tmp_path / name, 0, 0), 512) == LeftOut(name, reason)
    gone = prepare(Photo("gone", tmp_path / "gone.jpg", 0, 0), 512)
    assert gone == LeftOut("gone", "cannot be read (No such file or directory)")


@pytest.mark.photos
def test_cambridge_by_block(real_photos: Path, tmp_path: Path) -> None:
    done = run(
        real_photos / "cambridge" / "labels.csv", tmp_path / "town", split={"by": "block", "block": "50m"}, max_side=128
    )
    dataset = open_dataset(done.out)
    assert dataset.extent == "region"
    assert sum(dataset.counts.values()) == 2864
    assert not done.left_out
    with (real_photos / "cambridge" / "labels.csv").open() as stream:
        named = {row["file"]: row["place"] for row in csv.DictReader(stream)}
    places = {name: {named[str(i)] for i in dataset.split(name).ids} for name in dataset.counts}
    assert not places["train"] & places["test"]
    assert not places["train"] & places["valid"]
    assert not places["valid"] & places["test"]


@pytest.mark.photos
def test_phone_photos(real_photos: Path, tmp_path: Path) -> None:
    done = run(real_photos / "phone", tmp_path / "phone")
    dataset = open_dataset(done.out)
    assert dataset.extent == "world"
    assert sum(dataset.counts.values()) == 8
    for name in dataset.counts:
        split = dataset.split(name)
        for i in range(len(split)):
            picture = Image.open(io.BytesIO(split.photo(i)))
            assert max(picture.size) <= 512
            assert not picture.getexif()


def test_an_existing_folder_is_refused_before_any_work(table: Path, tmp_path: Path) -> None:
    (tmp_path / "town" / "mine").mkdir(parents=True)
    told: list[object] = []
    with pytest.raises(GeotuneError, match="exists already"):
        import_photos(
            settings(table), tmp_path / "town", extent_of=extent_of, on_progress=lambda *now: told.append(now)
        )
    assert told == []


def test_an_interrupted_import_leaves_nothing(table: Path, tmp_path: Path) -> None:
    def interrupt(stage: str, done: int, of: int | None) -> None:
        if (stage, done) == ("importing photos", 3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_photos(settings(table), tmp_path / "data" / "town", extent_of=extent_of, on_progress=interrupt)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["src"]


def test_nothing_to_import_is_said_with_the_reasons(tmp_path: Path, jpeg: Callable[..., bytes]) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    with pytest.raises(GeotuneError, match="no photo with a position, it is empty"):
        run(folder, tmp_path / "out")
    (folder / "a.jpg").write_bytes(jpeg(0))
    with pytest.raises(GeotuneError, match=r"1 no GPS position in EXIF \(a.jpg\)") as caught:
        run(folder, tmp_path / "out")
    assert "original files" in caught.value.hint
    (folder / "labels.csv").write_text("file,lat,lon\nimg/a.jpg,1,2\n")
    with pytest.raises(GeotuneError) as caught:
        run(folder, tmp_path / "out")
    assert f"geotune data import {folder / 'labels.csv'} OUT" in caught.value.hint
    with pytest.raises(GeotuneError, match="1 file not found") as caught:
        run(folder / "labels.csv", tmp_path / "out")
    assert f"sought in {folder}; name another folder with --images" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_too_few_places_are_said_with_what_was_left_out(table: Path, tmp_path: Path) -> None:
    table.write_text("file,latitude,longitude\n0.jpg,52,0.1\n1.jpg,,\n4.jpg,52,0.1\n")
    with pytest.raises(GeotuneError, match="at least three places") as caught:
        run(table, tmp_path / "out")
    assert "1 no coordinates (1.jpg)\n    1 file not found (4.jpg)" in caught.value.problem


def test_the_kind_of_source_is_seen(dataset: Any, table: Path, tmp_path: Path) -> None:
    assert source_of(table) == TableSource(path=table)
    assert source_of(table.parent) == PhotosSource(path=table.parent)
    (tmp_path / "photos.zip").write_bytes(b"PK")
    for path, images, message in (
        (tmp_path / "nowhere", None, "no such file or folder"),
        (tmp_path / "photos.zip", None, "neither a folder of photos nor a .csv file"),
        (table.parent / "3.jpg", None, "a single photo"),
        (dataset.folder, None, "a dataset already"),
        (table.parent, tmp_path, "--images belongs to a CSV file"),
    ):
        with pytest.raises(GeotuneError, match=message):
            source_of(path, images)


def test_settings_are_checked(table: Path) -> None:
    with pytest.raises(SettingsError, match=r"max_side +expected a value at least 32; got 3"):
        settings(table, max_side=3)
