import csv
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from geotune.data.sources.found import LeftOut, Photo
from geotune.data.exif import position_of, read_exif
from geotune.data.sources.photos import PhotosSource
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


@pytest.mark.parametrize(
    ("gps", "expected"),
    [
        ({1: "N", 2: (52.5, 0, 0), 3: "E", 4: (13, 24, 0)}, (52.5, 13.4)),  # decimal degrees in the first part
        ({1: "N", 2: (52, 30.5), 3: "E", 4: (13,)}, (52 + 30.5 / 60, 13)),  # parts left out
        ({1: "N", 2: 52.25, 3: "W", 4: 0.5}, (52.25, -0.5)),  # lone numbers
        ({1: b"S\0", 2: (1, 0, 0), 3: "west", 4: (2, 0, 0)}, (-1, -2)),  # bytes, lower case, whole words
        ({1: "N", 2: (IFDRational(5234, 100), IFDRational(0, 0), IFDRational(0, 0)), 3: "E", 4: (1, 0, 0)}, (52.34, 1)),
        ({1: "N", 2: (Fraction(1, 3), 0, 0), 3: "E", 4: (1, 0, 0)}, (1 / 3, 1)),
        ({2: (-33.5, 0, 0), 4: (-70.25, 0, 0)}, (-33.5, -70.25)),  # signed, no hemisphere
        ({1: "S", 2: (-33, 30, 0), 3: "E", 4: (18, 0, 0)}, (-33.5, 18)),  # signed and a hemisphere
        ({}, None),
        ({1: "N", 2: (1, 2, 3)}, None),  # no longitude
        ({2: (52, 30, 0), 4: (13, 0, 0)}, None),  # which half of the Earth?
        ({1: "N", 2: (IFDRational(0, 0), 0, 0), 3: "E", 4: (1, 0, 0)}, None),
        ({1: "N", 2: "52 30", 3: "E", 4: (1, 0, 0)}, None),
        ({1: "N", 2: (), 3: "E", 4: (1, 0, 0)}, None),
        ({1: "Q", 2: (1, 0, 0), 3: "E", 4: (1, 0, 0)}, None),
    ],
)
def test_odd_gps_directories(gps: dict[int, Any], expected: tuple[float, float] | None) -> None:
    found = position_of(gps)
    assert found == (None if expected is None else pytest.approx(expected))


def test_everything_below_is_found_or_named(tmp_path: Path, jpeg: Callable[..., bytes]) -> None:
    gps_photo(tmp_path / "b" / "good.JPG", (10.0, 0.0, 0.0), "N", (20.0, 0.0, 0.0), "E", format="JPEG")
    gps_photo(tmp_path / "zero.jpg", (0.0, 0.0, 0.0), "N", (0.0, 0.0, 0.0), "E")
    gps_photo(tmp_path / "far.jpg", (95.0, 0.0, 0.0), "N", (0.0, 0.0, 1.0), "E")
    (tmp_path / "plain.jpg").write_bytes(jpeg(0))
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "phone.HEIC").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "._good.jpg").write_bytes(b"what a Mac leaves beside a photo")
    (tmp_path / ".thumbnails").mkdir()
    (tmp_path / ".thumbnails" / "t.jpg").write_bytes(jpeg(0))
    found = list(PhotosSource(path=tmp_path).scan())
    assert [p for p in found if isinstance(p, Photo)] == [Photo("b/good.JPG", tmp_path / "b" / "good.JPG", 10.0, 20.0)]
    assert {p.id: p.reason for p in found if isinstance(p, LeftOut)} == {
        "zero.jpg": "position 0°, 0°: the camera had none",
        "far.jpg": "position outside the Earth",
        "plain.jpg": "no GPS position in EXIF",
        "broken.jpg": "cannot be decoded",
        "empty.png": "cannot be decoded",
        "phone.HEIC": ".heic file: convert it to JPEG first",
        "notes.txt": "not a photo",
        "gone.jpg": "cannot be read (No such file or directory)",
    }


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(GeotuneError, match="no such folder"):
        list(PhotosSource(path=tmp_path / "nowhere").scan())
