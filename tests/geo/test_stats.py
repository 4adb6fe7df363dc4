"""Bootstrap intervals: against a plain loop, by places, and their coverage."""

import numpy as np
import pytest

from geotune.geo.stats import Measure, bootstrap_interval, bootstrap_intervals, bootstrap_rounds, percentiles

STATISTICS = {
    "median": np.median,
    "mean": np.mean,
    "rmse": lambda errors: np.sqrt(np.mean(errors**2)),
    "p90": lambda errors: np.quantile(errors, 0.9),
}


def plain_loop(errors, places, statistic, rounds, seed):
    """The same draws, photo by photo."""
    rng = np.random.default_rng(seed)
    names = np.unique(places)
    drawn = rng.integers(len(names), size=(rounds, len(names)))
    values = [statistic(np.concatenate([errors[places == names[k]] for k in row])) for row in drawn]
    return np.quantile(values, [0.025, 0.975])


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("labels", [lambda n: np.arange(n) // 7, lambda n: np.array([f"p{k % 9}" for k in range(n)])])
def test_it_is_the_cluster_bootstrap(name, labels):
    errors = np.random.default_rng(1).exponential(60, 101)
    places = labels(101)
    expected = plain_loop(errors, places, STATISTICS[name], 200, seed=5)
    np.testing.assert_allclose(bootstrap_interval(errors, places, name, rounds=200, seed=5), expected, rtol=1e-12)


def test_photos_of_one_place_err_together_so_the_interval_is_wider():
    rng = np.random.default_rng(2)
    errors = np.repeat(rng.exponential(100, 40), 25) + rng.normal(0, 1, 1000)
    low, high = bootstrap_interval(errors, np.repeat(np.arange(40), 25))
    naive_low, naive_high = bootstrap_interval(errors, np.arange(1000))
    assert high - low > 2 * (naive_high - naive_low)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(3)
    held = 0
    for trial in range(100):
        low, high = bootstrap_interval(rng.normal(50, 10, 80), np.arange(80), "mean", rounds=400, seed=trial)
        held += low <= 50 <= high
    assert 86 <= held <= 99


def test_a_lower_level_is_narrower_and_a_seed_repeats_it():
    errors = np.random.default_rng(4).exponential(60, 200)
    places = np.arange(200) // 4
    wide, narrow = (bootstrap_interval(errors, places, level=level) for level in (0.95, 0.5))
    assert wide[0] < narrow[0] < np.median(errors) < narrow[1] < wide[1]
    assert wide == bootstrap_interval(errors, places)
    assert wide != bootstrap_interval(errors, places, seed=1)


def test_many_photos_are_taken_in_chunks_with_the_same_result(monkeypatch):
    errors = np.random.default_rng(6).exponential(60, 500)
    whole = bootstrap_interval(errors, np.arange(500), rounds=300)
    monkeypatch.setattr("geotune.geo.stats._ELEMENTS_AT_ONCE", 500 * 7)
    assert bootstrap_interval(errors, np.arange(500), rounds=300) == whole


def test_all_metrics_come_of_the_same_draws():
    rng = np.random.default_rng(7)
    errors, places = rng.exponential(60, 90), np.arange(90) // 6
    measures = {name: Measure(errors, name) for name in STATISTICS} | {"share": Measure((errors <= 50).astype(float))}
    together = bootstrap_intervals(measures, places, rounds=300, seed=2)
    for name, statistic in STATISTICS.items():
        assert together[name] == pytest.approx(bootstrap_interval(errors, places, name, rounds=300, seed=2), rel=1e-12)
        assert measures[name].value() == pytest.approx(statistic(errors))
    low, high = together["share"]
    assert 0 <= low < np.mean(errors <= 50) < high <= 1
    assert together["share"] == pytest.approx(plain_loop(errors <= 50, places, np.mean, 300, seed=2))


@pytest.mark.parametrize("name", STATISTICS)
def test_photos_that_do_not_count_are_as_if_they_were_not_there(name):
    errors, places = np.random.default_rng(8).exponential(60, 60), np.arange(60) // 6
    counted = np.arange(60) % 6 < 4
    kept = bootstrap_rounds({"": Measure(errors[counted], name)}, places[counted], rounds=100)
    spoilt = np.where(counted, errors, np.nan)
    left_out = bootstrap_rounds({"": Measure(spoilt, name, counted)}, places, rounds=100)
    np.testing.assert_allclose(left_out[""], kept[""])
    assert Measure(errors, name, counted).value() == Measure(errors[counted], name).value()


def test_a_round_without_any_photo_that_counts_says_nothing():
    drawn = bootstrap_rounds({name: Measure(np.arange(4.0), name, np.arange(4) == 3) for name in ("mean", "median")},
                             np.arange(4))  # fmt: skip
    for value_R in drawn.values():
        assert 0.2 < np.isnan(value_R).mean() < 0.45  # (3/4)^4
        assert percentiles(value_R, 0.95) == (3, 3)


@pytest.mark.parametrize("name", STATISTICS)
def test_nan_has_no_interval(name):
    assert np.isnan(bootstrap_interval([1.0, np.nan, 2.0], [0, 1, 2], name)).all()


def test_one_place_says_nothing():
    assert bootstrap_interval([1.0, 2.0, 9.0], [4, 4, 4]) == (2, 2)


@pytest.mark.parametrize(
    ("errors", "places", "statistic", "text"),
    [([], [], "median", "0 errors"), ([1.0], [1, 2], "median", "1 errors and 2 places"), ([1.0], [1], "mode", "mode")],
)
def test_misuse_is_told(errors, places, statistic, text):
    with pytest.raises(ValueError, match=text):
        bootstrap_interval(errors, places, statistic)
