"""Every kind of setting stands on one straight axis."""

import pytest

from geotune.report.scale import log_ticks, scale_of


def test_words_stand_at_whole_steps_in_the_order_they_came() -> None:
    scale = scale_of(["cells", "hybrid", "cells"])
    assert (scale.positions, scale.ticks, scale.labels) == ([0, 1, 0], [0, 1], ["cells", "hybrid"])


def test_a_few_numbers_stand_at_whole_steps_in_their_order() -> None:
    scale = scale_of([256, 32, 64])
    assert scale.positions == [2, 0, 1]
    assert scale.labels == ["32", "64", "256"]


def test_lists_and_flags_are_words() -> None:
    assert scale_of([[128], [192, 256]]).labels == ["[128]", "[192, 256]"]
    assert scale_of([True, False]).labels == ["True", "False"]


def test_a_missing_setting_stands_below_all_others() -> None:
    scale = scale_of([None, "a", "b"])
    assert scale.positions == [-1, 0, 1]
    assert scale.labels == ["none", "a", "b"]


def test_wide_numbers_are_drawn_as_powers_and_zero_below_them() -> None:
    scale = scale_of([0, 1e-3, 1e-2, 0.05, 0.1, 1.0, 10.0])
    assert scale.positions[1:4] == pytest.approx([-3, -2, -1.30103])
    assert scale.positions[0] < -3
    assert scale.labels == ["0", "0.001", "0.01", "0.1", "1", "10"]


def test_narrow_numbers_keep_their_distances() -> None:
    scale = scale_of([0.5, 0.1, 0.2, 0.3, 0.4, 0.45, 0.47, None])
    assert scale.positions[:3] == [0.5, 0.1, 0.2]
    assert scale.positions[-1] < 0.1


def test_markup_in_a_value_is_text() -> None:
    assert scale_of(["<b>x</b>"]).labels == ["&lt;b&gt;x&lt;/b&gt;"]


def test_log_ticks_are_round_and_within_reach() -> None:
    assert log_ticks(48, 6204) == (
        [50, 100, 200, 500, 1000, 2000, 5000],
        ["50", "100", "200", "500", "1,000", "2,000", "5,000"],
    )
    assert log_ticks(3.1, 3.4)[0] == [3.1]
