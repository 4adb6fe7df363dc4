"""Names, units, radii and texts of errors."""

import numpy as np
import pytest

from geotune.errors import GeotuneError
from geotune.geo.metrics import format_distance, larger_is_better, metric_names, on_scale, summarise


def test_a_region_is_told_in_metres():
    metrics = summarise(np.array([0.01, 0.02, 0.03, 0.25]), "region")
    assert metrics["median_m"] == pytest.approx(25)
    assert metrics["mean_m"] == pytest.approx(77.5)
    assert metrics["rmse_m"] == pytest.approx(np.sqrt((100 + 400 + 900 + 62500) / 4))
    assert metrics["p90_m"] == pytest.approx(184)
    assert [metrics[f"within_{r}m"] for r in (10, 25, 50, 100, 250)] == [0.25, 0.5, 0.75, 0.75, 1]
    assert all(type(value) is float for value in metrics.values())


def test_the_world_is_told_in_kilometres():
    metrics = summarise([1, 25, 200.1, 2500, 9000], "world")
    assert metrics["median_km"] == 200.1
    assert [metrics[f"within_{r}km"] for r in (1, 25, 200, 750, 2500)] == [0.2, 0.4, 0.4, 0.6, 0.8]


@pytest.mark.parametrize("extent", ["region", "world"])
def test_the_names_are_those_of_the_summary_and_the_baseline(extent):
    *summary, baseline = metric_names(extent)
    assert list(summarise([1.0], extent)) == summary
    assert baseline == on_scale("baseline", extent)


def test_no_errors_are_a_bug_and_nan_is_never_near():
    with pytest.raises(ValueError, match="no errors"):
        summarise([], "world")
    metrics = summarise([np.nan, 1], "world")
    assert np.isnan(metrics["median_km"])
    assert metrics["within_1km"] == 0.5


@pytest.mark.parametrize(
    ("goal", "extent", "full"),
    [
        ("valid/median", "region", "valid/median_m"),
        ("valid/median", "world", "valid/median_km"),
        ("valid/p90_m", "region", "valid/p90_m"),
        ("valid/within_25km", "world", "valid/within_25km"),
        ("baseline", "world", "baseline_km"),
        ("valid/loss", "region", "valid/loss"),
        ("train/loss_geodesic", "world", "train/loss_geodesic"),
    ],
)
def test_a_goal_takes_the_scale_of_the_data(goal, extent, full):
    assert on_scale(goal, extent) == full


@pytest.mark.parametrize(
    ("goal", "extent", "problem", "hint"),
    [
        ("valid/median_km", "region", "valid/median_km: this dataset's extent is region", "say valid/median"),
        ("valid/within_25m", "world", "extent is world, its errors are in km", "say valid/within_25km"),
        ("valid/medain", "world", "valid/medain: no such metric; did you mean valid/median?", "median_km, mean_km"),
        ("accuracy-at-five", "world", "accuracy-at-five: no such metric", "metrics are"),
    ],
)
def test_a_wrong_goal_names_its_mend(goal, extent, problem, hint):
    with pytest.raises(GeotuneError) as error:
        on_scale(goal, extent)
    assert problem in error.value.problem
    assert hint in error.value.hint


def test_only_shares_grow_better():
    assert larger_is_better("valid/within_25m")
    assert not larger_is_better("valid/median_m")
    assert not larger_is_better("valid/loss")


@pytest.mark.parametrize(
    ("km", "extent", "text"),
    [
        (612.4, "world", "612 km"),
        (6204, "world", "6,204 km"),
        (8.26, "world", "8.3 km"),
        (9.96, "world", "10 km"),
        (0.0574, "region", "57 m"),
        (0.0042, "region", "4.2 m"),
        (1.5, "region", "1,500 m"),
        (0, "region", "0.0 m"),
    ],
)
def test_distances_for_people(km, extent, text):
    assert format_distance(km, extent) == text
