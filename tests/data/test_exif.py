import io
import math
import warnings
from contextlib import suppress
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from geotune.data.exif import Exif, exif_of, heading_of, position_of, read_exif, time_of
from geotune.data.sources.heic import reads_heic


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("gps", "expected"),
    [
        ({1: "N", 2: (52.5, 0, 0), 3: "E", 4: (13, 24, 0)}, (52.5, 13.4)),  # decimal degrees in the first part
        ({1: "N", 2: (52, 30.5), 3: "E", 4: (13,)}, (52 + 30.5 / 60, 13)),  # parts left out
        ({1: "N", 2: 52.25, 3: "W", 4: 0.5}, (52.25, -0.5)),  # lone numbers
        ({1: b"S\0", 2: (1, 0, 0), 3: "west", 4: (2, 0, 0)}, (-1, -2)),  # bytes, lower case, whole words
        ({1: "N", 2: (IFDRational(5234, 100), IFDRational(0, 0), IFDRational(0, 0)), 3: "E", 4: (1, 0, 0)}, (52.34, 1)),
        ({1: "N", 2: (Fraction(1, 3), 0, 0), 3: "E", 4: (1, 0, 0)}, (1 / 3, 1)),
        ({1: "N", 2: ("52/1", "30/1", "0/1"), 3: "E", 4: (1, 0, 0)}, (52.5, 1)),  # as XMP writes them
        ({2: (-33.5, 0, 0), 4: (-70.25, 0, 0)}, (-33.5, -70.25)),  # signed, no hemisphere
        ({1: "S", 2: (-33, 30, 0), 3: "E", 4: (18, 0, 0)}, (-33.5, 18)),  # signed and a hemisphere
        ({}, None),
        ({1: "N", 2: (1, 2, 3)}, None),  # no longitude
        ({2: (52, 30, 0), 4: (13, 0, 0)}, None),  # which half of the Earth?
        ({1: "N", 2: (IFDRational(0, 0), 0, 0), 3: "E", 4: (1, 0, 0)}, None),
        ({1: "N", 2: "52 30", 3: "E", 4: (1, 0, 0)}, None),
        ({1: "N", 2: (), 3: "E", 4: (1, 0, 0)}, None),
        ({1: "N", 2: (1, 2, 3, 4), 3: "E", 4: (1, 0, 0)}, None),
        ({1: "N", 2: (10**400, 2, 3), 3: "E", 4: (1, 0, 0)}, None),
        ({1: "Q", 2: (1, 0, 0), 3: "E", 4: (1, 0, 0)}, None),
    ],
)
def test_odd_gps_directories(gps: dict[int, Any], expected: tuple[float, float] | None) -> None:
    found = position_of(gps)
    assert found == (None if expected is None else pytest.approx(expected))


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_every_position_survives_degrees_minutes_seconds(lat: float, lon: float) -> None:
    def parts(size: float) -> tuple[IFDRational, ...]:
        whole, rest = divmod(abs(size) * 3600, 3600)
        minutes, seconds = divmod(rest, 60)
        return IFDRational(int(whole), 1), IFDRational(int(minutes), 1), IFDRational(round(seconds * 10000), 10000)

    gps = {1: "N" if lat >= 0 else "S", 2: parts(lat), 3: "E" if lon >= 0 else "W", 4: parts(lon)}
    assert position_of(gps) == pytest.approx((lat, lon), abs=1e-7)


CLOCK, ZONE, PART = 0x9003, 0x9011, 0x9291
FIVE = {29: "2024:06:01", 7: (IFDRational(15), IFDRational(0), IFDRational(30))}


@pytest.mark.parametrize(
    ("taken", "gps", "expected"),
    [
        ({CLOCK: "2024:06:01 17:00:30", ZONE: "+02:00"}, {}, "2024-06-01T15:00:30"),
        ({CLOCK: "2024:06:01 17:00:30", ZONE: "Z", PART: "25"}, {}, "2024-06-01T17:00:30.250"),
        ({CLOCK: b"2024:06:01 17:00:30\0", ZONE: "-03:30\0"}, {}, "2024-06-01T20:30:30"),
        ({CLOCK: "2024:06:01 17:00:30"}, {}, "2024-06-01T17:00:30"),  # the camera's clock is all there is
        ({CLOCK: "2024:06:01 17:00:30", ZONE: "   :  "}, {}, "2024-06-01T17:00:30"),
        ({}, FIVE, "2024-06-01T15:00:30"),
        ({CLOCK: "2024:06:01 17:00:33"}, FIVE, "2024-06-01T15:00:33"),  # the zone that fits the satellites
        ({CLOCK: "2024:06:01 17:12:00"}, FIVE, "2024-06-01T15:12:00"),  # an old fix is not the photo's time
        ({CLOCK: "2024:06:01 09:00:10"}, FIVE, "2024-06-01T15:00:10"),  # a clock that is a little slow
        ({CLOCK: "2024:06:01 20:30:30", ZONE: "+05:30"}, FIVE, "2024-06-01T15:00:30"),
        ({CLOCK: "2019:01:01 00:00:00"}, FIVE, "2024-06-01T15:00:30"),  # a clock never set
        ({CLOCK: "0000:00:00 00:00:00"}, FIVE, "2024-06-01T15:00:30"),
        ({}, {29: "2024-06-01", 7: (15, 0, 30.5)}, "2024-06-01T15:00:30.500"),
        ({}, {29: "2024:06:01"}, None),
        ({}, {7: (15, 0, 30)}, None),
        ({}, {29: "2024:06:01", 7: (25, 0, 0)}, None),
        ({}, {29: "2024:06:01", 7: (IFDRational(0, 0), 0, 0)}, None),
        ({CLOCK: "    :  :     :  :  "}, {}, None),
        ({CLOCK: "9999:12:31 23:59:59", ZONE: "-14:00"}, {}, None),
        ({CLOCK: "1970:01:01 00:00:00"}, {}, None),
        ({CLOCK: 7}, {7: "x", 29: b"\xff"}, None),
        ({}, {}, None),
    ],
)
def test_capture_times(taken: dict[int, Any], gps: dict[int, Any], expected: str | None) -> None:
    found = time_of(taken, gps)
    assert math.isnan(found) if expected is None else found == pytest.approx(at(expected), abs=1e-3)


def test_headings() -> None:
    assert [heading_of(value) for value in (0, 359.5, IFDRational(9050, 100), -90, 360, "12.5")] == [
        0, 359.5, 90.5, 270, 0, 12.5
    ]  # fmt: skip
    assert all(math.isnan(heading_of(value)) for value in (None, "north", IFDRational(1, 0), 361, math.inf, ()))


def picture(gps: dict[int, Any], base: dict[int, Any] | None = None, taken: dict[int, Any] | None = None) -> bytes:
    exif = Image.Exif()
    for tag, value in (base or {}).items():
        exif[tag] = value
    for tag, values in ((0x8825, gps), (0x8769, taken or {})):
        exif.get_ifd(tag).update(values)
        exif[tag] = exif.get_ifd(tag)
    stored = io.BytesIO()
    Image.new("RGB", (64, 48), "green").save(stored, "JPEG", exif=exif)
    return stored.getvalue()


def read(data: bytes) -> Exif:
    with Image.open(io.BytesIO(data)) as opened:
        return exif_of(opened)


def test_what_a_phone_says_beside_its_position() -> None:
    gps = {1: "N", 2: (52.0, 30.0, 0.0), 3: "E", 4: (13.0, 0.0, 0.0), 16: "T", 17: 271.5, 31: 4.75}
    found = read(picture(gps, {0x010F: "Fair ", 0x0110: "Phone 4\0\0"}, {0xA431: "S1", CLOCK: "2024:06:01 17:00:30"}))
    assert found.position == (52.5, 13)
    assert (found.heading, found.gps_error_m, found.camera) == (271.5, 4.75, "Fair Phone 4 S1")
    assert found.time == at("2024-06-01T17:00:30")
    magnetic = read(picture(gps | {16: "M"}))
    assert math.isnan(magnetic.heading)
    assert (magnetic.magnetic_heading, magnetic.camera) == (271.5, "")
    silent = read(picture({}))
    assert silent.position is None
    assert all(map(math.isnan, (silent.time, silent.heading, silent.gps_error_m)))


def test_gps_errors_that_are_none() -> None:
    for value in (-1.0, math.inf, math.nan, IFDRational(1, 0), "near", None):
        opened = Image.new("RGB", (8, 8))
        opened.getexif().get_ifd(0x8825)[31] = value
        assert math.isnan(exif_of(opened).gps_error_m)


def test_damaged_exif_never_fails_otherwise_than_promised(tmp_path: Path) -> None:
    gps = {1: "N", 2: (52.0, 30.0, 0.0), 3: "E", 4: (13.0, 0.0, 0.0), 17: 1.0}
    whole = picture(gps, {0x010F: "Maker", 0x0112: 6}, {CLOCK: "2024:06:01 17:00:30"})
    end = whole.index(b"\xff\xdb")  # where EXIF ends and tables begin
    for i in range(2, end):
        for value in (0, 0xFF, whole[i] ^ 1):
            path = tmp_path / "p.jpg"
            path.write_bytes(whole[:i] + bytes([value]) + whole[i + 1 :])
            try:
                found = read_exif(path)
            except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
                continue
            assert found.position is None or len(found.position) == 2
    for i in range(0, len(whole), 7):
        path.write_bytes(whole[:i])
        try:
            read_exif(path)
        except (OSError, SyntaxError, ValueError):
            continue


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_damaged_pictures_of_other_kinds_fail_as_promised(tmp_path: Path, kind: str) -> None:
    reads_heic()
    Image.init()
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {kind}")
    random, stored = np.random.default_rng(0), io.BytesIO()
    Image.new("RGB", (64, 48), "green").save(stored, kind)
    for _ in range(200):
        data = bytearray(stored.getvalue())
        for at in random.integers(0, min(len(data), 400), 3):
            data[at] = random.choice([0, 0x7F, 0xFF, random.integers(256)])
        (tmp_path / "p").write_bytes(data[: random.integers(len(data) // 2, len(data) + 1)])
        with suppress(OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            read_exif(tmp_path / "p")


def test_pillow_stays_quiet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = picture({1: "N", 2: (52.0, 30.0, 0.0)}, {0x010F: "Maker"})
    (tmp_path / "p.jpg").write_bytes(whole.replace(b"Maker", b"").replace(b"\x01\x0f\x00\x02", b"\x01\x0f\xff\xff"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        warnings.filterwarnings("default", module="__main__")
        read_exif(tmp_path / "p.jpg")
        assert not caught
    assert capfd.readouterr() == ("", "")
