import math
from pathlib import Path

import pytest

from geotune.data.sources.found import LeftOut, Photo
from geotune.data.sources.table import TableSource
from geotune.errors import GeotuneError


@pytest.fixture
def images(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for name in ("a", "b"):
        (tmp_path / "images" / f"{name}.jpg").write_bytes(b"x")
    return tmp_path


def scan(folder: Path, text: str, encoding: str = "utf-8", images: Path | None = None) -> list[Photo | LeftOut]:
    (folder / "t.csv").write_text(text, encoding=encoding)
    return list(TableSource(path=folder / "t.csv", images=images).scan())


def test_rows_become_photos(images: Path) -> None:
    rows = (
        "file,latitude,longitude,place,heading,split,owner,floor\n"
        "images/a.jpg,52.5,-0.25,7,90,train,me,007\nimages/b.jpg,-1,2,8,,test,you,2.5\n"
    )
    first, second = scan(images, rows)
    assert isinstance(first, Photo)
    assert isinstance(second, Photo)
    assert (first.id, first.lat, first.lon, first.place, first.split) == ("images/a.jpg", 52.5, -0.25, "7", "train")
    assert (second.id, second.lat, second.lon, second.place, second.split) == ("images/b.jpg", -1, 2, "8", "test")
    assert (first.load(), first.heading, math.isnan(second.heading)) == (b"x", 90, True)
    assert (first.extra, second.extra) == ({"owner": "me", "floor": "007"}, {"owner": "you", "floor": 2.5})


@pytest.mark.parametrize("image", ["image", "file", "filename", "path", "img", "IMG_FILE", "image_path"])
@pytest.mark.parametrize(
    "coordinates", [("latitude", "longitude"), ("LAT", "LON"), ("lat", "lng"), ("Latitude", "long")]
)
def test_usual_column_names(images: Path, image: str, coordinates: tuple[str, str]) -> None:
    (photo,) = scan(images, f"x,{coordinates[1]},{image},{coordinates[0]}\n0,2,images/a.jpg,1\n")
    assert isinstance(photo, Photo)
    assert (photo.lat, photo.lon) == (1, 2)


def test_spreadsheets_of_other_countries(images: Path) -> None:
    (photo,) = scan(images, "file;lat;lon\r\nimages\\a.jpg;52,5;0,25\r\n", encoding="utf-8-sig")
    assert isinstance(photo, Photo)
    assert (photo.load(), photo.lat, photo.lon) == (b"x", 52.5, 0.25)
    (photo,) = scan(images, 'file,lat,lon\nimages/a.jpg,"52,2","-0,25"\n')
    assert isinstance(photo, Photo)
    assert (photo.lat, photo.lon) == (52.2, -0.25)
    (photo,) = scan(images, "file\tlat\tlon\nimages/a.jpg\t1\t2\n")
    assert isinstance(photo, Photo)


def test_images_may_lie_elsewhere(images: Path, tmp_path: Path) -> None:
    (photo,) = scan(tmp_path, "file,lat,lon\na.jpg,1,2\n", images=images / "images")
    assert isinstance(photo, Photo)


def test_bad_rows_are_named(images: Path) -> None:
    rows = [
        "images/a.jpg,1,2",
        "images/a.jpg,1,2",
        "images/gone.jpg,1,2",
        "images/b.jpg,north,2",
        ",1,2",
        "c.jpg,,2",
        "d.jpg,1",
        "e.jpg,91,2",
        "f.jpg,nan,2",
        "",
        ",,",
        "x\0.jpg,1,2",
        f"{'y' * 300}.jpg,1,2",
        "images,1,2",
        "images/a.jpg/b.jpg,1,2",
    ]
    photo, *rest = scan(images, "\n".join(["file,lat,lon", *rows]))
    assert isinstance(photo, Photo)
    assert [(p.id, p.reason) for p in rest if isinstance(p, LeftOut)] == [
        ("images/a.jpg", "listed twice"),
        ("images/gone.jpg", "file not found"),
        ("images/b.jpg", "coordinates are not numbers in degrees"),
        ("row 6", "no image"),
        ("c.jpg", "no coordinates"),
        ("d.jpg", "no coordinates"),
        ("e.jpg", "position outside the Earth"),
        ("f.jpg", "no coordinates"),
        ("x\0.jpg", "file not found"),
        (f"{'y' * 300}.jpg", "file not found"),
        ("images", "cannot be read (no plain file)"),
        ("images/a.jpg/b.jpg", "file not found"),
    ]
    assert rest[2] == LeftOut("images/b.jpg", "coordinates are not numbers in degrees", "'north', '2'")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,where\na.jpg,here\n", "no column for latitude and longitude; its columns are file, where"),
        ("lat,lon\n1,2\n", "no column for image"),
        ("", "the file is empty"),
    ],
)
def test_a_table_without_the_columns_is_said(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(GeotuneError, match=message) as caught:
        scan(tmp_path, text)
    assert "file, latitude, longitude" in caught.value.hint


def test_the_table_of_some_shards_is_told_from_a_table_of_files(tmp_path: Path) -> None:
    (tmp_path / "shard_0.msg").write_bytes(b"")
    with pytest.raises(GeotuneError, match="no column for image") as caught:
        scan(tmp_path, "IMG_ID,LAT,LON\na,1,2\n")
    assert f"geotune data import {tmp_path} OUT --labels {tmp_path / 't.csv'}" in caught.value.hint


def test_what_exiftool_writes(images: Path) -> None:
    header = "SourceFile,GPSLatitude,GPSLongitude,DateTimeOriginal\n"
    row = """./images/a.jpg,"52 deg 30' 36.00"" S","13 deg 0' 0.00"" E",2024:06:01 15:00:30\n"""
    (photo,) = scan(images, header + row)
    assert isinstance(photo, Photo)
    assert (photo.lat, photo.lon, photo.time) == (pytest.approx(-52.51), 13, 1717254030)


def test_a_line_without_end_is_no_table(tmp_path: Path) -> None:
    for text in ("file,lat,lon\n" + "x" * 2**20, "file,lat,lon\n" + "x" * 200_000 + ",1,2\n"):
        with pytest.raises(GeotuneError, match=r"not a table \("):
            scan(tmp_path, text)


def test_no_rows_and_no_image_folder_are_said(images: Path) -> None:
    for text in ("file,lat,lon\n", "file,lat,lon\n\n,,\n"):
        with pytest.raises(GeotuneError, match=r"t.csv: has no rows"):
            scan(images, text)
    with pytest.raises(GeotuneError, match="nope: no such folder") as caught:
        scan(images, "file,lat,lon\na.jpg,1,2\n", images=images / "nope")
    assert "--images" in caught.value.hint


def test_what_is_no_table_is_said(tmp_path: Path) -> None:
    with pytest.raises(GeotuneError, match="no such file"):
        list(TableSource(path=tmp_path / "t.csv").scan())
    (tmp_path / "t.csv").write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF")
    with pytest.raises(GeotuneError, match="not text in UTF-8"):
        list(TableSource(path=tmp_path / "t.csv").scan())
    with pytest.raises(GeotuneError, match="cannot be read"):
        list(TableSource(path=tmp_path).scan())
