import math
from datetime import UTC, date, datetime
from typing import Any

import pytest

from geotune.data.sources.columns import columns_of, flat, photo_of, plain, seconds_of
from geotune.data.sources.found import LeftOut, Photo


def made(row: dict[str, Any], identity: str = "a") -> Photo | LeftOut:
    return photo_of(identity, row, columns_of(row), lambda: b"")


def test_usual_names_in_any_case() -> None:
    assert columns_of(["SourceFile", "GPS Latitude", "GPS-Longitude", "GPSImgDirection", "other"]) == {
        "latitude": "GPS Latitude", "longitude": "GPS-Longitude", "heading": "GPSImgDirection"
    }  # fmt: skip
    assert columns_of(["LAT", "lng", "latitude"]) == {"latitude": "latitude", "longitude": "lng"}
    assert columns_of(["gps.lat", "gps.lon", "LON"]) == {"latitude": "gps.lat", "longitude": "LON"}


def test_nested_values_come_a_level_up() -> None:
    assert flat({"gps": {"lat": 1, "deep": {"x": 1}}, 3: "a"}) == {"gps.lat": 1, "gps.deep": {"x": 1}, "3": "a"}


def test_what_is_recognised_and_what_is_kept() -> None:
    said = {"lat": "1", "lon": 2, "place": 7, "split": "val", "timestamp": "2024-06-01T15:00:30Z", "heading": "-90"}
    kept = {"owner": "me", "floor": "3", "tags": ["a"], "empty": ""}
    photo = made({**said, "gps_accuracy": "4.5", "device": "X1", **kept})
    assert isinstance(photo, Photo)
    assert (photo.lat, photo.lon, photo.place, photo.split, photo.camera) == (1, 2, "7", "val", "X1")
    assert (photo.time, photo.heading, photo.gps_error_m) == (1717254030, 270, 4.5)
    assert photo.extra == {"owner": "me", "floor": 3}


def test_a_recognised_column_that_is_not_understood_is_kept() -> None:
    photo = made({"lat": 1, "lon": 2, "time": "in summer", "heading": "north", "gps_error": "-1"})
    assert isinstance(photo, Photo)
    assert all(map(math.isnan, (photo.time, photo.heading, photo.gps_error_m)))
    assert photo.extra == {"time": "in summer", "heading": "north", "gps_error": -1}


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        ({"lat": "52.123.456", "lon": "1"}, "coordinates are not numbers in degrees", "'52.123.456', '1'"),
        ({"lat": "", "lon": "1"}, "no coordinates", ""),
        ({"lat": math.nan, "lon": 1.0}, "no coordinates", ""),
        ({"lat": None, "lon": None}, "no coordinates", ""),
        ({"lat": 1}, "no coordinates", ""),
        ({"lat": 0, "lon": "0.0"}, "position 0°, 0°: the camera had none", "0.000000, 0.000000"),
        ({"lat": "130", "lon": "52"}, "position outside the Earth", "130.000000, 52.000000"),
        ({"lat": math.inf, "lon": 1}, "position outside the Earth", "inf, 1.000000"),
    ],
)
def test_left_out_with_what_stood_there(row: dict[str, Any], reason: str, detail: str) -> None:
    assert made(row) == LeftOut("a", reason, detail)


def test_names_can_be_stored_or_are_refused() -> None:
    found = made({"lat": 1, "lon": 2, "note": "half \ud800"}, "\ud83d.jpg")
    assert isinstance(found, Photo)
    assert (found.id, found.extra) == ("\\ud83d.jpg", {"note": "half \\ud800"})
    assert made({"lat": 1, "lon": 2}, "x" * 1025) == LeftOut("x" * 40 + "…", "a name of over 1,024 characters")


def test_values_as_they_are_kept() -> None:
    given = ["12", "-3", "007", "1.50", "-.5", "1e5", "12e5", "1_0", " a ", "", "nan", True, 2**70, 1.5, math.nan, None,
             [1], {}, b"caf\xc3\xa9", b"\xff" * 2000, date(2024, 6, 1), "x" * 2000]  # fmt: skip
    assert [plain(value) for value in given] == [
        12, -3, "007", 1.5, -0.5, "1e5", "12e5", "1_0", "a", None, "nan", 1, str(2**70), 1.5, None, None,
        None, None, "café", None, "2024-06-01", "x" * 1000,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [1717254030, 1717254030.0, "1717254030", 1717254030000, "1717254030000", 1717254030000000, "2024-06-01T15:00:30Z",
     "2024-06-01 17:00:30+02:00", "2024:06:01 15:00:30", datetime(2024, 6, 1, 15, 0, 30, tzinfo=UTC),
     datetime(2024, 6, 1, 15, 0, 30)],
)  # fmt: skip
def test_times(value: Any) -> None:
    assert seconds_of(value) == 1717254030


@pytest.mark.parametrize(
    "value", [None, "", "noon", 2024, "2024", -5, math.nan, [], "9999-99-99", "0001-01-01T00:00:00+14:00", datetime.min]
)
def test_no_times(value: Any) -> None:
    assert math.isnan(seconds_of(value))
