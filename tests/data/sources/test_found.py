import math

from geotune.data.sources.found import Names, position_fault


def test_positions() -> None:
    assert position_fault(90, -180) == position_fault(-33.9, 151.2) == position_fault(0, 6) == ""
    assert position_fault(0, 0) == "position 0°, 0°: the camera had none"
    for lat, lon in ((90.1, 0), (0, -180.1), (math.nan, 5), (5, math.inf)):
        assert position_fault(lat, lon) == "position outside the Earth"


def test_names_come_once() -> None:
    names = Names()
    assert [names.again(name) for name in ("a", "b", "a", "A")] == [False, False, True, False]
