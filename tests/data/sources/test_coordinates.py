import math
from contextlib import suppress
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geotune.data.sources.coordinates import degrees

Axis = Literal["latitude", "longitude"]


@pytest.mark.parametrize(
    ("value", "axis", "expected"),
    [
        (52.5, "latitude", 52.5),
        (7, "longitude", 7),
        ("52.5", "latitude", 52.5),
        (" -0,25 ", "longitude", -0.25),
        ("1e1", "latitude", 10),
        ("52°30'N", "latitude", 52.5),
        ("52° 30′ 36.0″ S", "latitude", -52.51),
        ("52º30’36,0”S", "latitude", -52.51),
        ("N 52 30 36", "latitude", 52.51),
        ("52 deg 30' 36.00\" N", "latitude", 52.51),  # exiftool
        ("99 deg 0' 0.50\" W", "longitude", -99 - 0.5 / 3600),
        ("13:24:00 E", "longitude", 13.4),
        ("13 24", "longitude", 13.4),
        ("−33 30", "latitude", -33.5),
        ("52.5°", "latitude", 52.5),
        ("52.5N", "latitude", 52.5),
        ("w0.5", "longitude", -0.5),
        ("52°30'36''N", "latitude", 52.51),
    ],
)
def test_read(value: Any, axis: Axis, expected: float) -> None:
    assert degrees(value, axis) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    "value",
    ["north", "52.123.456", "1_0", "52°30'E", "52 60 0", "52 0 61", "-52 30 S", "52;30", "0x10", "52.5 m", "5" * 100,
     "12 Mai", "52°30'N 13°24'E", [52.5], True],
)  # fmt: skip
def test_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        degrees(value, "latitude")


def test_nothing_is_not_a_number() -> None:
    assert all(math.isnan(degrees(value, "latitude")) for value in (None, "", "  ", "NA", "nan", "null", math.nan))


@given(st.floats(-180, 180), st.sampled_from(["{:.6f}", "{:.6f}°"]))
def test_decimal_degrees_survive(value: float, form: str) -> None:
    assert degrees(form.format(value).replace(".", ","), "longitude") == pytest.approx(value, abs=1e-6)


@given(st.text(max_size=30) | st.binary(max_size=10) | st.none() | st.lists(st.integers()))
def test_strange_values_are_refused_or_read(value: Any) -> None:
    with suppress(ValueError):
        assert isinstance(degrees(value, "latitude"), float)
