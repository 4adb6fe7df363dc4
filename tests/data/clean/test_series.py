"""Bursts and sessions are chains of one camera's photos, in whatever order these stand."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from geotune.data.clean.series import bursts, sessions

Make = Callable[..., pd.DataFrame]


def together(numbers: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(numbers == n).tolist()) for n in np.unique(numbers)}


def test_a_burst_is_a_chain_of_seconds(catalogue: Make) -> None:
    made = catalogue(6, time=[10, 12, 14, 18, 100, 101], lat=[52.0] * 6)
    assert together(bursts(made)) == {frozenset({0, 1, 2}), frozenset({3}), frozenset({4, 5})}


def test_a_burst_stays_in_one_spot(catalogue: Make) -> None:
    made = catalogue(3, time=[10, 11, 12], lat=[52.0, 52.0001, 52.01])
    assert together(bursts(made)) == {frozenset({0, 1}), frozenset({2})}


def test_another_camera_is_another_burst(catalogue: Make) -> None:
    made = catalogue(4, time=[10, 11, 10, 11], camera=[1, 2, 2, 1], lat=[52.0] * 4)
    assert together(bursts(made)) == {frozenset({0, 3}), frozenset({1, 2})}


def test_without_a_time_a_photo_is_alone(catalogue: Make) -> None:
    made = catalogue(4, time=[10, np.nan, np.nan, 11], lat=[52.0] * 4)
    for groups in (bursts(made), sessions(made)):
        assert together(groups) == {frozenset({0, 3}), frozenset({1}), frozenset({2})}


def test_a_session_ends_where_the_camera_rests(catalogue: Make) -> None:
    made = catalogue(4, time=[0, 1700, 3400, 5300])
    assert together(sessions(made)) == {frozenset({0, 1, 2}), frozenset({3})}


def test_strangers_share_a_session_only_near_each_other(catalogue: Make) -> None:
    made = catalogue(3, time=[0, 60, 120], camera=[0, 0, 0], lat=[52.0, 52.001, 53.0])
    assert together(sessions(made)) == {frozenset({0, 1}), frozenset({2})}


def test_phones_of_one_model_share_no_session_across_the_land(catalogue: Make) -> None:
    made = catalogue(3, time=[0, 60, 120], lat=[52.0, 52.02, 53.0])  # 2.2 km in a minute, then 109 km
    assert together(sessions(made)) == {frozenset({0, 1}), frozenset({2})}


def test_no_photos_no_groups(catalogue: Make) -> None:
    assert bursts(catalogue(0)).shape == sessions(catalogue(0)).shape == (0,)


@given(order=st.permutations(range(8)), times=st.lists(st.integers(0, 40), min_size=8, max_size=8))
def test_the_order_of_the_photos_does_not_matter(order: list[int], times: list[int]) -> None:
    made = pd.DataFrame({"time": np.array(times, float), "camera": [1, 1, 1, 1, 2, 2, 0, 0], "lat": 52.0, "lon": 13.0})
    shuffled = made.iloc[order].reset_index(drop=True)
    back = {frozenset(order[i] for i in group) for group in together(bursts(shuffled))}
    assert back == together(bursts(made))
