"""Strays leave a region and stay in a world; shared and inaccurate positions are told."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from geotune.data.clean.finding import FAR, INACCURATE, OUTLYING, SHARED_POSITION
from geotune.data.clean.positions import far_from_all, inaccurate, outlying, shared_positions
from geotune.data.clean.settings import CleanSettings

Make = Callable[..., pd.DataFrame]
SETTINGS = CleanSettings()


def everything(catalogue: pd.DataFrame) -> np.ndarray:
    return np.ones(len(catalogue), bool)


def holiday(catalogue: Make, photos: int = 300) -> pd.DataFrame:
    """A town, and two photos 900 km away that lie near each other."""
    lat = 52 + np.arange(photos) * 1e-5
    lat[[7, 9]] = (43.9, 43.91)
    return catalogue(photos, lat=lat)


def test_a_holiday_leaves_the_region_as_a_whole(catalogue: Make) -> None:
    made = holiday(catalogue)
    found, rows = far_from_all(made, everything(made), SETTINGS, "region")
    assert rows.tolist() == [7, 9]
    assert [(f.id, f.reason, f.left_out) for f in found] == [("p7", FAR, True), ("p9", FAR, True)]
    assert found[0].detail == "901 km from the nearest of the others"
    assert found[0].other == "p0"


def test_a_larger_holiday_does_not_become_the_region_where_that_is_known(catalogue: Make) -> None:
    made = catalogue(40, lat=np.repeat([52.0, 48.0], [10, 30]) + np.arange(40) * 1e-4)
    main = np.arange(40) < 10
    assert far_from_all(made, everything(made), SETTINGS, "region")[1].tolist() == list(range(10))
    assert far_from_all(made, everything(made), SETTINGS, "region", main)[1].tolist() == list(range(10, 40))


def test_it_stays_when_asked_for_and_in_a_world(catalogue: Make) -> None:
    made = holiday(catalogue)
    for settings, extent in ((CleanSettings(keep_far=True), "region"), (SETTINGS, "world")):
        found, rows = far_from_all(made, everything(made), settings, extent)
        assert not len(rows)
        assert [f.left_out for f in found] == [False, False]


def test_a_real_world_has_no_strays(catalogue: Make) -> None:
    rng = np.random.default_rng(0)
    made = catalogue(200, lat=rng.uniform(-60, 70, 200), lon=rng.uniform(-180, 180, 200))
    assert far_from_all(made, everything(made), SETTINGS, "world")[0] == []


def test_a_long_region_hangs_together(catalogue: Make) -> None:
    made = catalogue(300, lat=52 + np.arange(300) * 0.005)  # 166 km from end to end, 556 m a step
    assert far_from_all(made, everything(made), SETTINGS, "region")[0] == []
    shorter = CleanSettings(far="1km")
    assert far_from_all(made, everything(made), shorter, "region")[0] == []


@given(st.floats(-89, 89), st.floats(-180, 180))
def test_no_region_loses_a_photo_wherever_it_lies(lat: float, lon: float) -> None:
    step = 1e-3 * np.arange(20)
    made = pd.DataFrame({"id": [str(i) for i in range(20)], "lat": lat + step, "lon": (lon + step + 180) % 360 - 180})
    assert far_from_all(made, everything(made), SETTINGS, "region")[0] == []


def test_left_out_photos_hold_no_region_together(catalogue: Make) -> None:
    made = catalogue(40, lat=np.r_[np.full(38, 52.0), 52.8, 53.6])
    keep = everything(made)
    assert far_from_all(made, keep, SETTINGS, "region")[0] == []
    keep[38] = False
    assert far_from_all(made, keep, SETTINGS, "region")[1].tolist() == [39]


def test_no_photo_and_one_photo(catalogue: Make) -> None:
    for n in (0, 1):
        made = catalogue(n)
        assert far_from_all(made, everything(made), SETTINGS, "region")[0] == []
        assert shared_positions(made, everything(made), SETTINGS) == []
        assert inaccurate(made, everything(made), SETTINGS) == []


def test_a_position_that_many_share(catalogue: Make) -> None:
    made = catalogue(30, lat=np.r_[np.full(10, 52.5), np.full(9, 52.6), np.arange(11) * 1e-4])
    found = shared_positions(made, everything(made), SETTINGS)
    assert [f.id for f in found] == [f"p{i}" for i in range(10)]
    assert {(f.reason, f.detail, f.other, f.left_out) for f in found} == {
        (SHARED_POSITION, "10 photos at 52.5, 13", "p0", False)
    }


def test_a_position_that_the_camera_doubts(catalogue: Make) -> None:
    made = catalogue(4, gps_error_m=[np.nan, 100, 1200, 5])
    (found,) = inaccurate(made, everything(made), SETTINGS)
    assert (found.id, found.reason, found.detail) == ("p2", INACCURATE, "±1.2 km")


def test_a_wrong_sign_is_told_in_a_small_region(catalogue: Make) -> None:
    """A campus at 0.118° E: one photo at 0.118° W is 16 km off, far from nothing and far out all the same."""
    rng = np.random.default_rng(0)
    lat, lon = 52.2 + rng.normal(0, 0.001, 200), 0.118 + rng.normal(0, 0.001, 200)
    lon[17] *= -1
    made = catalogue(200, lat=lat, lon=lon)
    (found,) = outlying(made, everything(made), "region")
    assert (found.id, found.reason, found.left_out) == ("p17", OUTLYING, False)
    assert found.detail.startswith("16 km from the middle, around which nine of ten lie within")
    assert outlying(made, everything(made), "world") == []


def test_two_towns_are_no_outliers(catalogue: Make) -> None:
    made = catalogue(200, lat=np.repeat([52.0, 52.5], [150, 50]) + np.arange(200) * 1e-5)
    assert outlying(made, everything(made), "region") == []
