import csv
import io
import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from geotune.data.exif import read_exif
from geotune.data.sources.found import LeftOut, Photo
from geotune.data.sources.heic import format_fault, reads_heic
from geotune.data.sources.photos import PhotosSource
from geotune.data.sources.why import why
from geotune.errors import GeotuneError


def gps_photo(path: Path, lat: tuple[Any, ...], north: str, lon: tuple[Any, ...], east: str, **save: Any) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: north, 2: lat, 3: east, 4: lon})
    exif[0x8825] = exif.get_ifd(0x8825)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 48), "green").save(path, exif=exif, **save)


@pytest.mark.photos
def test_real_phones_and_cameras(real_photos: Path) -> None:
    with (real_photos / "phone" / "expected.csv").open() as stream:
        expected = {row["file"]: (float(row["latitude"]), float(row["longitude"])) for row in csv.DictReader(stream)}
    found = {p.id: (p.lat, p.lon) for p in PhotosSource(path=real_photos / "phone").scan() if isinstance(p, Photo)}
    assert found.keys() == expected.keys()
    for name, position in expected.items():
        assert found[name] == pytest.approx(position, abs=1e-6)


@pytest.mark.parametrize("north", ["N", "S"])
@pytest.mark.parametrize("east", ["E", "W"])
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_all_hemispheres_and_formats(tmp_path: Path, north: str, east: str, suffix: str) -> None:
    gps_photo(tmp_path / f"a.{suffix}", (12.0, 30.0, 36.0), north, (99.0, 0.0, 0.5), east)
    sign = {"N": 1, "S": -1, "E": 1, "W": -1}
    expected = (sign[north] * 12.51, sign[east] * (99 + 0.5 / 3600))
    assert read_exif(tmp_path / f"a.{suffix}").position == pytest.approx(expected, abs=1e-7)


def bomb() -> bytes:
    """A picture of a few bytes that says that it is 60,000 by 60,000."""
    stored = io.BytesIO()
    Image.new("L", (1, 1)).save(stored, "PNG")
    data = bytearray(stored.getvalue())
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def test_everything_below_is_found_or_named(tmp_path: Path, jpeg: Callable[..., bytes]) -> None:
    gps_photo(tmp_path / "b" / "good.JPG", (10.0, 0.0, 0.0), "N", (20.0, 0.0, 0.0), "E", format="JPEG")
    gps_photo(tmp_path / "zero.jpg", (0.0, 0.0, 0.0), "N", (0.0, 0.0, 0.0), "E")
    gps_photo(tmp_path / "far.jpg", (95.0, 0.0, 0.0), "N", (0.0, 0.0, 1.0), "E")
    (tmp_path / "plain.jpg").write_bytes(jpeg(0))
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "raw.DNG").write_bytes(b"x")
    (tmp_path / "clip.MOV").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "._good.jpg").write_bytes(b"what a Mac leaves beside a photo")
    (tmp_path / ".thumbnails").mkdir()
    (tmp_path / ".thumbnails" / "t.jpg").write_bytes(jpeg(0))
    (tmp_path / "bomb.png").write_bytes(bomb())
    os.mkfifo(tmp_path / "pipe.jpg")
    with (tmp_path / "film.jpg").open("wb") as stream:
        stream.truncate(256 * 2**20 + 1)
    found = list(PhotosSource(path=tmp_path).scan())
    (good,) = [p for p in found if isinstance(p, Photo)]
    assert (good.id, good.lat, good.lon) == ("b/good.JPG", 10, 20)
    assert good.load() == (tmp_path / "b" / "good.JPG").read_bytes()
    assert {p.id: p.reason for p in found if isinstance(p, LeftOut)} == {
        "zero.jpg": "position 0°, 0°: the camera had none",
        "far.jpg": "position outside the Earth",
        "plain.jpg": "no GPS position in EXIF",
        "broken.jpg": "cannot be decoded",
        "empty.png": "cannot be decoded",
        "bomb.png": "too many pixels: more than 178 million",
        "raw.DNG": "raw camera file",
        "clip.MOV": "a video, not a photo",
        "notes.txt": "not a photo",
        "gone.jpg": "cannot be read (No such file or directory)",
        "pipe.jpg": "cannot be read (no plain file)",
        "film.jpg": "larger than 256 MiB",
    }
    assert all(why(p.reason) for p in found if isinstance(p, LeftOut))
    assert next(p.detail for p in found if p.id == "far.jpg") == "95.000000, 0.000278"


def test_numbers_in_names_count_as_numbers(tmp_path: Path) -> None:
    for name in ("b10.jpg", "b9.jpg", "a/x.jpg", "c.jpg"):
        gps_photo(tmp_path / name, (10.0, 0.0, 0.0), "N", (20.0, 0.0, 0.0), "E")
    assert [p.id for p in PhotosSource(path=tmp_path).scan()] == ["b9.jpg", "b10.jpg", "c.jpg", "a/x.jpg"]


def test_names_that_are_not_utf8_can_be_stored(tmp_path: Path) -> None:
    gps_photo(tmp_path / "x.jpg", (10.0, 0.0, 0.0), "N", (20.0, 0.0, 0.0), "E")
    (tmp_path / "x.jpg").rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg"))
    gps_photo(tmp_path / "x.jpg", (10.0, 0.0, 0.0), "N", (20.0, 0.0, 0.0), "E")
    (tmp_path / "x.jpg").rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe8.jpg"))
    photos = [photo for photo in PhotosSource(path=tmp_path).scan() if isinstance(photo, Photo)]
    assert {photo.id for photo in photos} == {"caf\\xe8.jpg", "caf\\xe9.jpg"}
    assert all(photo.load() for photo in photos)


def test_heic_needs_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "phone.HEIC").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    reads_heic.cache_clear()
    (found,) = PhotosSource(path=tmp_path).scan()
    reads_heic.cache_clear()
    assert found == LeftOut("phone.HEIC", "HEIC photo, and pillow-heif is not installed")
    assert why(found.reason) == "install it: pip install 'geotune[heic]'"


@pytest.mark.parametrize("suffix", ["heic", "avif"])
def test_heic_and_avif(tmp_path: Path, suffix: str) -> None:
    if suffix == "heic":
        pytest.importorskip("pillow_heif", reason="the extra `heic` is not installed")
        assert reads_heic()
    elif format_fault(".avif"):
        pytest.skip("this Pillow reads no AVIF")
    gps_photo(tmp_path / f"a.{suffix}", (12.0, 30.0, 36.0), "S", (99.0, 0.0, 0.5), "W")
    (tmp_path / f"b.{suffix}").write_bytes(b"no picture")
    photo, broken = PhotosSource(path=tmp_path).scan()
    assert isinstance(photo, Photo)
    assert (photo.lat, photo.lon) == pytest.approx((-12.51, -99 - 0.5 / 3600))
    assert broken == LeftOut(f"b.{suffix}", "cannot be decoded")


def test_heic_that_is_called_jpg(tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif", reason="the extra `heic` is not installed").register_heif_opener()
    gps_photo(tmp_path / "a.jpg", (12.0, 30.0, 36.0), "S", (99.0, 0.0, 0.5), "W", format="HEIF")
    told = "from pathlib import Path; from geotune.data.exif import read_exif; print(read_exif(Path('a.jpg')).position)"
    done = subprocess.run([sys.executable, "-c", told], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("(-12.51, -99.00")  # a process in which nothing else has taught Pillow HEIC


@pytest.fixture
def takeout(tmp_path: Path, jpeg: Callable[..., bytes]) -> Callable[..., list[Photo | LeftOut]]:
    """`takeout(photo, sidecar, said)` -> what a folder of one photo without EXIF and its sidecar gives."""

    def scan(photo: str, sidecar: str, said: Any) -> list[Photo | LeftOut]:
        (tmp_path / photo).write_bytes(jpeg(0))
        (tmp_path / sidecar).write_text(said if isinstance(said, str) else json.dumps(said))
        return list(PhotosSource(path=tmp_path).scan())

    return scan


SAID = {
    "title": "IMG.jpg",
    "photoTakenTime": {"timestamp": "1717254030", "formatted": "1 Jun 2024, 15:00:30 UTC"},
    "geoData": {"latitude": 48.5, "longitude": -2.25, "altitude": 0.0},
    "geoDataExif": {"latitude": 0.0, "longitude": 0.0},
}


@pytest.mark.parametrize(
    ("photo", "sidecar"),
    [
        ("IMG.jpg", "IMG.jpg.json"),
        ("IMG.jpg", "IMG.jpg.supplemental-metadata.json"),
        ("IMG.jpg", "IMG.jpg.supplemental-me.json"),
        ("IMG.jpg", "IMG.jpg.s.json"),
        ("IMG.jpg", "IMG.jpg..json"),
        ("IMG.jpg", "IMG.json"),
        ("IMG(1).jpg", "IMG.jpg(1).json"),
        ("IMG(1).jpg", "IMG(1).jpg.json"),
        ("IMG(12).jpg", "IMG.jpg.supplemental-metadata(12).json"),
        ("IMG(2).jpg", "IMG.jpg.suppl(2).json"),
        ("IMG-edited.jpg", "IMG.jpg.json"),
        ("IMG-bearbeitet.jpg", "IMG.jpg.supplemental-metadata.json"),
        ("IMG-edited(1).jpg", "IMG.jpg(1).json"),
        ("PXL_20240601_150030123.NIGHT.PORTRAIT-01.COVER.jpg", "PXL_20240601_150030123.NIGHT.PORTRAIT-01.COVER.json"),
        ("PXL_20240601_150030123.PORTRAIT-01.jpg", "PXL_20240601_150030123.PORTRAIT-01.jpg.supplem.json"),
        ("a" * 46 + "x.jpg", "a" * 46 + ".json"),
    ],
)
def test_takeout_sidecars(takeout: Callable[..., list[Photo | LeftOut]], photo: str, sidecar: str) -> None:
    (found,) = takeout(photo, sidecar, SAID | ({"title": photo} if len(photo) > 46 else {}))
    assert isinstance(found, Photo)
    assert (found.id, found.lat, found.lon, found.time) == (photo, 48.5, -2.25, 1717254030)


def test_the_number_of_a_sidecar_counts(tmp_path: Path, jpeg: Callable[..., bytes]) -> None:
    for number in ("", "(1)", "(2)"):
        (tmp_path / f"IMG{number}.jpg").write_bytes(jpeg(0))
        lat = 10 + len(number) + int(number.strip("()") or 0)
        said = {"geoData": {"latitude": lat, "longitude": 5}}
        (tmp_path / f"IMG.jpg{number}.json").write_text(json.dumps(said))
    found = {p.id: p.lat for p in PhotosSource(path=tmp_path).scan() if isinstance(p, Photo)}
    assert found == {"IMG.jpg": 10, "IMG(1).jpg": 14, "IMG(2).jpg": 15}


def test_long_names_never_have_anothers_sidecar(tmp_path: Path, jpeg: Callable[..., bytes]) -> None:
    long = "a photo_with_a_very_long_name_from_a_messenger_"
    sidecars = {
        f"{long[:46]}.json": (f"{long.replace('_', '?')}AAA.jpg", 10),
        f"{long[:46]}(1).json": (f"{long}BBB.jpg", 20),
        f"{'x' * 46}.json": (f"{'x' * 46}y.jpg", 30),
        f"{'k' * 46}.json": (f"{'k' * 47}.jpg", 40),
    }
    for name, (title, lat) in sidecars.items():
        said = {"title": title, "geoData": {"latitude": lat, "longitude": 5}}
        (tmp_path / name).write_text(json.dumps(said))
    for photo in (f"{long}.jpg", f"{long}(1).jpg", f"{'x' * 46}y.jpg", f"{'x' * 46}z.jpg", f"{'k' * 47}(1).jpg"):
        (tmp_path / photo).write_bytes(jpeg(0))
    found = {p.id: p.lat if isinstance(p, Photo) else p.reason for p in PhotosSource(path=tmp_path).scan()}
    assert found == {
        f"{long}.jpg": 10, f"{long}(1).jpg": 20, f"{'x' * 46}y.jpg": 30, f"{'x' * 46}z.jpg": "no GPS position in EXIF",
        f"{'k' * 47}(1).jpg": "no GPS position in EXIF", f"{'k' * 46}.json": "not a photo",
    }  # fmt: skip


def test_exif_goes_before_the_sidecar(tmp_path: Path) -> None:
    gps_photo(tmp_path / "IMG.jpg", (10.0, 0.0, 0.0), "N", (20.0, 0.0, 0.0), "E")
    gps_photo(tmp_path / "ZERO.jpg", (0.0, 0.0, 0.0), "N", (0.0, 0.0, 0.0), "E")
    for name in ("IMG", "ZERO"):
        (tmp_path / f"{name}.jpg.json").write_text(json.dumps(SAID | {"geoDataExif": {"latitude": 1, "longitude": 2}}))
    first, second = PhotosSource(path=tmp_path).scan()
    assert isinstance(first, Photo)
    assert (first.lat, first.lon, first.time) == (10, 20, 1717254030)  # EXIF has no time
    assert isinstance(second, Photo)
    assert (second.lat, second.lon) == (1, 2)  # the camera's own before where Google believes you were


@pytest.mark.parametrize(
    "said",
    [
        SAID | {"geoData": {"latitude": 0.0, "longitude": 0.0}},
        {},
        [],
        "no json",
        "[" * 100_000,
        {"geoData": {"latitude": "north", "longitude": None}, "photoTakenTime": {"timestamp": {}}},
        {"geoData": [], "photoTakenTime": 7},
        '{"geoData": "' + "x" * 2**20 + '"}',
    ],
)
def test_sidecars_without_a_position(takeout: Callable[..., list[Photo | LeftOut]], said: Any) -> None:
    assert takeout("IMG.jpg", "IMG.jpg.json", said) == [LeftOut("IMG.jpg", "no GPS position in EXIF")]


def test_other_json_files_are_no_photos(takeout: Callable[..., list[Photo | LeftOut]]) -> None:
    assert LeftOut("metadata.json", "not a photo") in takeout("IMG.jpg", "metadata.json", {})


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(GeotuneError, match="no such folder"):
        list(PhotosSource(path=tmp_path / "nowhere").scan())
