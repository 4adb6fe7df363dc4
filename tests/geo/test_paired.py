"""Two models on the same photos: what is noise and what is not."""

import numpy as np
import pytest

from geotune.geo.paired import Paired, paired
from geotune.geo.stats import Measure, bootstrap_rounds

PLACES = np.arange(120) // 4


def errors_of_two(seed, factor=1.0):
    """Errors of two models that agree on which places are hard; the second's are `factor` times as large."""
    rng = np.random.default_rng(seed)
    hard = np.repeat(rng.exponential(50, 30), 4)
    return [
        hard * rng.lognormal(0, 0.4, 120) * np.repeat(rng.lognormal(0, 0.3, 30), 4) * scale for scale in (1.0, factor)
    ]


@pytest.mark.parametrize("statistic", ["median", "mean", "rmse", "p90"])
def test_a_difference_is_seen_in_both_directions(statistic):
    a, b = errors_of_two(0, 0.5)
    test, other = paired(a, b, PLACES, statistic), paired(b, a, PLACES, statistic)
    assert test.verdict == "better"
    assert other.verdict == "worse"
    assert test.difference == pytest.approx(-other.difference)
    assert test.interval == pytest.approx((-other.interval[1], -other.interval[0]))
    assert test.interval[0] <= test.difference <= test.interval[1] < 0
    assert test.p_value < 0.05


def test_models_that_do_not_differ_are_called_different_about_one_time_in_twenty():
    found = [paired(*errors_of_two(seed), PLACES, "mean", rounds=300, seed=seed) for seed in range(200)]
    assert sum(test.verdict != "noise" for test in found) <= 20
    assert 0.02 <= np.mean([test.p_value <= 0.1 for test in found]) <= 0.2


def test_pairing_sees_what_two_intervals_do_not():
    a, b = errors_of_two(1, 0.9)
    test = paired(a, a * 0.9, PLACES, "mean")
    drawn = bootstrap_rounds({"a": Measure(a), "b": Measure(b)}, PLACES)
    assert np.quantile(drawn["a"], 0.025) < np.quantile(drawn["b"], 0.975)  # their own intervals overlap
    assert test.verdict == "better"


def test_the_same_errors_are_noise():
    a = errors_of_two(2)[0]
    test = paired(a, a, PLACES)
    assert (test.difference, test.interval, test.p_value, test.verdict) == (0, (0, 0), 1, "noise")


@pytest.mark.parametrize(
    ("interval", "p_value", "verdict"),
    [((-3.0, -1.0), 0.01, "better"), ((-3.0, 1.0), 0.01, "noise"), ((-3.0, -1.0), 0.2, "noise")],
)
def test_interval_and_p_value_must_both_say_so(interval, p_value, verdict):
    assert Paired("median", -2.0, interval, p_value).verdict == verdict


@pytest.mark.parametrize("places", [1, 2, 5])
def test_a_handful_of_places_proves_nothing(places):
    a = np.random.default_rng(3).exponential(50, 100)
    test = paired(a, a * 0.2, np.arange(100) % places, "mean")
    assert test.p_value > 0.05
    assert test.verdict == "noise"


def test_many_photos_are_taken_in_chunks_with_the_same_result(monkeypatch):
    a, b = errors_of_two(4, 0.8)
    whole = paired(a, b, PLACES, rounds=100)
    monkeypatch.setattr("geotune.geo.paired._ELEMENTS_AT_ONCE", 120 * 7)
    assert paired(a, b, PLACES, rounds=100) == whole


@pytest.mark.parametrize(
    ("a", "b", "places", "statistic", "text"),
    [
        ([1.0], [1.0, 2.0], [1, 2], "median", "1 errors of one model and 2 of the other"),
        ([1.0, 2.0], [1.0, 2.0], [1], "median", "2 errors and 1 places"),
        ([], [], [], "median", "0 errors"),
        ([1.0], [np.nan], [1], "median", "NaN"),
        ([1.0], [1.0], [1], "mode", "mode"),
    ],
)
def test_misuse_is_told(a, b, places, statistic, text):
    with pytest.raises(ValueError, match=text):
        paired(a, b, places, statistic)
