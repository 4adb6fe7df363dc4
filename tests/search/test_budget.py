"""The clock leaves the final training its time."""

from geotune.search.budget import Clock, final_seconds


def test_the_search_ends_in_time_for_the_final_training() -> None:
    now = [0.0]
    clock = Clock(100.0, now=lambda: now[0])
    now[0] = 69.0
    assert not clock.search_over(30.0)
    now[0] = 70.0
    assert clock.search_over(30.0)
    assert clock.left == 30.0


def test_a_long_final_training_takes_at_most_two_fifths() -> None:
    now = [59.0]
    clock = Clock(100.0, now=lambda: now[0] - 59.0)
    now[0] = 59.0 + 59.0
    assert not clock.search_over(1e6)
    now[0] = 59.0 + 60.0
    assert clock.search_over(1e6)


def test_without_a_limit_it_never_ends() -> None:
    assert not Clock(None).search_over(1e9)
    assert Clock(None).left == float("inf")


def test_the_forecast_grows_with_epochs() -> None:
    assert final_seconds(2.0, 30) > final_seconds(2.0, 10) > 2.0 * 10
