from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from geotune.data.sources import webdataset
from geotune.data.sources.found import LeftOut, Photo
from geotune.data.sources.webdataset import WebDatasetSource
from geotune.data.sources.why import why
from geotune.errors import GeotuneError


def scan(path: Path) -> list[Photo | LeftOut]:
    return list(WebDatasetSource(path=path).scan())


def pair(i: int, **said: Any) -> dict[str, Any]:
    return {f"{i:03}.jpg": b"photo %d" % i, f"{i:03}.json": {"lat": i + 1, "lon": 5, **said}}


@pytest.mark.parametrize("file", ["p.tar", "p.tar.gz", "p.tgz"])
def test_pairs_become_photos(archive: Callable[..., Path], file: str) -> None:
    first, second = scan(archive({**pair(0, owner="me", split="val"), **pair(1, heading=90, tags=["x"])}, file))
    assert isinstance(first, Photo)
    assert isinstance(second, Photo)
    assert (first.id, first.lat, first.lon, first.load(), first.split) == ("000.jpg", 1, 5, b"photo 0", "val")
    assert (second.id, second.lat, second.heading, second.load()) == ("001.jpg", 2, 90, b"photo 1")
    assert (first.extra, second.extra) == ({"owner": "me"}, {})


def test_coordinates_under_other_names_and_a_level_down(archive: Callable[..., Path]) -> None:
    path = archive({
        "a.PNG": b"a", "a.json": {"gps": {"Latitude": "52°30'N", "Longitude": 1}, "note": {"by": "me"}},
        "b.json": {"GPSLatitude": 1, "GPSLongitude": 2}, "b.webp": b"b",
    })  # fmt: skip
    first, second = scan(path)
    assert isinstance(first, Photo)
    assert isinstance(second, Photo)
    assert (first.id, first.lat, first.lon, first.extra) == ("a.PNG", 52.5, 1, {"note.by": "me"})
    assert (second.id, second.lat, second.lon) == ("b.webp", 1, 2)


def test_several_archives_tell_the_split(archive: Callable[..., Path], tmp_path: Path) -> None:
    archive(pair(0), "wd/train-0002.tar")
    archive(pair(0), "wd/train-0010.tar.gz")
    archive(pair(0), "wd/test/0.tgz")
    archive(pair(0), "wd/more.tar")
    found = scan(tmp_path / "wd")
    assert [(p.id, p.split) for p in found if isinstance(p, Photo)] == [
        ("more/000.jpg", ""), ("train-0002/000.jpg", "train"), ("train-0010/000.jpg", "train"),
        ("test/0/000.jpg", "test"),
    ]  # fmt: skip
    assert [p.load() for p in found if isinstance(p, Photo)] == [b"photo 0"] * 4


def test_halves_may_stand_apart(archive: Callable[..., Path]) -> None:
    path = archive({
        "a.jpg": b"a", "c.json": {"lat": 3, "lon": 1}, "b.jpg": b"b", "a.json": {"lat": 1, "lon": 1},
        "b.json": {"lat": 2, "lon": 1}, "c.jpg": b"c",
    })  # fmt: skip
    assert [(p.id, p.lat, p.load()) for p in scan(path) if isinstance(p, Photo)] == [
        ("a.jpg", 1, b"a"), ("b.jpg", 2, b"b"), ("c.jpg", 3, b"c")
    ]  # fmt: skip


def test_dots_in_names(archive: Callable[..., Path]) -> None:
    position = {"lat": 1, "lon": 2}
    path = archive({
        "IMG_1.2.jpg": b"a", "IMG_1.2.json": position, "IMG_1.3.jpg": b"b", "IMG_1.3.json": position,
        "x/y.rgb.jpg": b"c", "x/y.json": position, "x/y.cls": b"7", "._z.jpg": b"mac", "z.txt": b"text",
    })  # fmt: skip
    assert [p.id for p in scan(path) if isinstance(p, Photo)] == ["IMG_1.2.jpg", "IMG_1.3.jpg", "x/y.rgb.jpg"]
    assert not [p for p in scan(path) if isinstance(p, LeftOut)]


def test_lone_and_damaged_halves_are_named(archive: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webdataset, "MAX_RECORD_BYTES", 1000)
    path = archive({
        "alone.jpg": b"x", "lost.json": {"lat": 1, "lon": 2}, "list.jpg": b"x", "list.json": [1], "bad.jpg": b"x",
        "bad.json": b"{", "deep.jpg": b"x", "deep.json": b"[" * 100_000, "huge.jpg": b"x" * 1001,
        "long.json": b" " * (2**20 + 1), "nowhere.jpg": b"x", "nowhere.json": {"caption": "a"},
        "text.jpg": b"x", "text.json": {"lat": "here", "lon": 1},
    })  # fmt: skip
    found = scan(path)
    assert not [p for p in found if isinstance(p, Photo)]
    assert {p.id: p.reason for p in found if isinstance(p, LeftOut)} == {
        "alone.jpg": "no .json beside it in the archive",
        "lost.json": "a .json without its photo in the archive",
        "list.jpg": "its .json cannot be read",
        "bad.jpg": "its .json cannot be read",
        "deep.jpg": "its .json cannot be read",
        "huge.jpg": "record larger than 64 MiB",
        "long.json": "its .json cannot be read",
        "nowhere.jpg": "no coordinates",
        "text.jpg": "coordinates are not numbers in degrees",
    }
    assert all(why(p.reason) for p in found if isinstance(p, LeftOut))


@pytest.mark.parametrize("file", ["p.tar", "p.tar.gz"])
def test_what_waits_is_bounded(archive: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    monkeypatch.setattr(webdataset, "WAITING", 3)
    jsons = {f"{i}.json": {"lat": 1, "lon": 1} for i in (7, 8, 9)}
    found = scan(archive({f"{i}.jpg": b"x" for i in range(10)} | jsons, file))
    assert [p.id for p in found if isinstance(p, Photo)] == ["7.jpg", "8.jpg", "9.jpg"]
    assert [p.id for p in found if isinstance(p, LeftOut)] == [f"{i}.jpg" for i in range(7)]
    monkeypatch.setattr(webdataset, "WAITING", 100)
    monkeypatch.setattr(webdataset, "WAITING_BYTES", 2500)
    found = scan(archive({f"{i}.jpg": b"x" * 1000 for i in range(10)} | jsons, file))
    held = ["7.jpg", "8.jpg", "9.jpg"] if file == "p.tar" else ["8.jpg", "9.jpg"]  # a plain archive holds nothing
    assert [p.id for p in found if isinstance(p, Photo)] == held


def test_a_name_that_comes_twice_counts_once(tmp_path: Path, archive: Callable[..., Path]) -> None:
    once, again = archive(pair(0), "a.tar").read_bytes(), archive(pair(0) | pair(1), "b.tar").read_bytes()
    (tmp_path / "c.tar").write_bytes(once[:2048] + again)
    found = scan(tmp_path / "c.tar")
    assert [p.id for p in found if isinstance(p, Photo)] == ["000.jpg", "001.jpg"]
    assert [p.reason for p in found if isinstance(p, LeftOut)] == ["listed twice", "listed twice"]


def test_a_second_photo_beside_one_json_is_named(archive: Callable[..., Path]) -> None:
    said = {"lat": 1, "lon": 2}
    found = scan(archive({"a.jpg": b"a", "a.png": b"b", "a.json": said, "b.json": said, "b.jpg": b"c", "b.webp": b"d"}))
    assert [p.id for p in found if isinstance(p, Photo)] == ["a.jpg", "b.jpg"]
    assert {p.id: p.reason for p in found if isinstance(p, LeftOut)} == {
        "a.png": "a second photo of this name beside one .json",
        "b.webp": "no .json beside it in the archive",
    }
    assert all(why(p.reason) for p in found if isinstance(p, LeftOut))


@pytest.mark.parametrize("file", ["p.tar", "p.tar.gz"])
def test_what_comes_before_damage_is_kept(archive: Callable[..., Path], tmp_path: Path, file: str) -> None:
    path = archive({**pair(0), **pair(1), **pair(2)}, "whole.tar")
    cut = path.read_bytes()[: 512 * 8 + 100]
    path.write_bytes(cut)
    *photos, end = scan(path)
    assert [p.id for p in photos] == ["000.jpg", "001.jpg"]
    assert end == LeftOut("whole.tar", "the file is cut off here", "in the middle of a header")
    (tmp_path / "no.tgz").write_bytes(b"nothing")
    assert scan(tmp_path / "no.tgz") == [
        LeftOut("no.tgz", "the file is damaged from here on", "Not a gzipped file (b'no')")
    ]


def test_a_photo_that_vanishes_is_a_read_error(archive: Callable[..., Path]) -> None:
    path = archive(pair(0))
    (photo,) = scan(path)
    path.write_bytes(b"")
    assert isinstance(photo, Photo)
    with pytest.raises(OSError, match="changed meanwhile"):
        photo.load()


def test_no_archive_is_said(tmp_path: Path) -> None:
    with pytest.raises(GeotuneError, match=r"no \.tar archive"):
        scan(tmp_path)
