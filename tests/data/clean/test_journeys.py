"""Bursts, frozen positions and jumps, of one camera and of no strangers."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from geotune.data.clean.finding import BURST, JUMP, STALE
from geotune.data.clean.journeys import in_bursts, jumps, stale
from geotune.data.clean.settings import CleanSettings
from tests.data.clean.conftest import hashes_of

Make = Callable[..., pd.DataFrame]
SETTINGS = CleanSettings()


def everything(catalogue: pd.DataFrame) -> np.ndarray:
    return np.ones(len(catalogue), bool)


def test_a_burst_is_told_but_for_its_first_photo(catalogue: Make) -> None:
    made = catalogue(4, time=[13, 10, 11.5, 90])
    found = in_bursts(made, everything(made))
    assert [(f.id, f.reason, f.other, f.detail) for f in found] == [
        ("p0", BURST, "p1", "3 photos; 3 s after the first"),
        ("p2", BURST, "p1", "3 photos; 1.5 s after the first"),
    ]


def test_a_frozen_position(catalogue: Make) -> None:
    made = catalogue(5, time=[0, 120, 300, 700, 710], lat=[52, 52, 52, 52, 52.1])
    found = stale(made, everything(made), SETTINGS)
    assert [(f.id, f.reason, f.other) for f in found] == [(f"p{i}", STALE, "p0") for i in (1, 2, 3)]
    assert found[0].detail == "4 photos within 11.7 min stand on one point"


def test_a_tripod_is_not_frozen(catalogue: Make) -> None:
    made = catalogue(5, time=[0, 120, 300, 700, 900], lat=[52.0] * 5, phash=np.full(5, hashes_of(1)[0]))
    assert stale(made, everything(made), SETTINGS) == []


def test_a_short_stop_and_strangers_are_not_frozen(catalogue: Make) -> None:
    short = catalogue(4, time=[0, 20, 40, 60], lat=[52.0] * 4)
    strangers = catalogue(4, time=[0, 200, 400, 600], lat=[52.0] * 4, camera=[0] * 4)
    moving = catalogue(4, time=[0, 200, 400, 600])
    for made in (short, strangers, moving):
        assert stale(made, everything(made), SETTINGS) == []


def test_a_jump_there_and_back_blames_the_one_in_between(catalogue: Make) -> None:
    made = catalogue(4, time=[0, 60, 120, 180], lat=[52.0, 52.001, 48.0, 52.002])
    (found,) = jumps(made, everything(made), SETTINGS)
    assert (found.id, found.reason, found.other, found.detail) == ("p2", JUMP, "p1", "445 km in 60 s")


def test_a_jump_for_good_blames_the_later(catalogue: Make) -> None:
    made = catalogue(4, time=[0, 60, 120, 180], lat=[52.0, 52.001, 48.0, 48.001])
    assert [(f.id, f.other) for f in jumps(made, everything(made), SETTINGS)] == [("p2", "p1")]


def test_flights_jitter_and_strangers_do_not_jump(catalogue: Make) -> None:
    flight = catalogue(2, time=[0, 3600], lat=[52.0, 59.0])  # 780 km/h
    jitter = catalogue(2, time=[0, 0], lat=[52.0, 52.0008])  # 89 m within a second
    strangers = catalogue(2, time=[0, 60], lat=[52.0, 48.0], camera=[0, 0])
    others = catalogue(2, time=[0, 60], lat=[52.0, 48.0], camera=[1, 2])
    unknown = catalogue(2, lat=[52.0, 48.0])
    for made in (flight, jitter, strangers, others, unknown, catalogue(0), catalogue(1)):
        assert jumps(made, everything(made), SETTINGS) == []


def test_many_phones_of_one_model_are_no_traveller(catalogue: Make) -> None:
    lat = np.random.default_rng(0).uniform(40, 60, 50)
    made = catalogue(50, time=np.arange(50) * 60, lat=lat)
    assert jumps(made, everything(made), SETTINGS) == []
    one_more = catalogue(52, time=np.arange(52) * 60, lat=np.r_[lat, 10, 20], camera=[1] * 50 + [2] * 2)
    assert [f.id for f in jumps(one_more, everything(one_more), SETTINGS)] == ["p51"]


def test_what_was_left_out_is_no_neighbour(catalogue: Make) -> None:
    made = catalogue(3, time=[0, 1, 2], lat=[52.0, 48.0, 52.0])
    keep = np.array([True, False, True])
    assert jumps(made, keep, SETTINGS) == []
    assert [f.other for f in in_bursts(made, keep)] == ["p0"]
