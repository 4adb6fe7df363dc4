"""Names, units, radii and texts of errors."""

import numpy as np
import pytest

from geotune.errors import GeotuneError
from geotune.geo.metrics import (
    explained,
    format_distance,
    format_metric,
    is_share,
    larger_is_better,
    measures,
    median_of,
    metric_names,
    on_scale,
    words,
)


def summarise(errors_km, extent):
    return {name: measure.value() for name, measure in measures(errors_km, extent).items()}


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


def test_the_geoscore_is_of_the_world_only():
    score = summarise([0, 1492.7, 20_000], "world")["geoscore"]
    assert score == pytest.approx((5000 + 5000 / np.e + 5000 * np.exp(-20_000 / 1492.7)) / 3)
    assert "geoscore" not in summarise([0.1], "region")
    assert on_scale("valid/geoscore", "world") == "valid/geoscore"


def test_measures_hold_a_value_a_photo():
    found = measures([0.02, 0.3], "region")
    assert found["median_m"].values.tolist() == [20, 300]
    assert found["within_25m"].values.tolist() == [1, 0]
    assert median_of("floor", np.array([0.02, 0.04]), "region")["floor_m"].value() == pytest.approx(30)


@pytest.mark.parametrize(
    ("metric", "value", "extent", "name", "text"),
    [
        ("test/median_m", 57.4, "region", "median error", "57 m"),
        ("rmse_km", 612.2, "world", "RMSE", "612 km"),
        ("valid/within_2500km", 0.125, "world", "within 2500 km", "12.5 %"),
        ("test/geoscore", 3411.6, "world", "GeoScore", "3,412 points"),
        ("test/country", 0.5, "world", "right country", "50.0 %"),
        ("test/cell_top5", 1.0, "region", "right cell in 5", "100.0 %"),
        ("test/nearest_photo_m", 117.2, "region", "nearest photo", "117 m"),
        ("test/median_low_m", 50.0, "region", "median, 95 % from", "50 m"),
    ],
)
def test_metrics_for_people(metric, value, extent, name, text):
    assert words(metric) == name
    assert format_metric(metric, value, extent) == text


def test_baselines_are_explained_and_the_models_own_numbers_are_not():
    for name in ("baseline", "mean_place", "nearest_photo", "nearest_place", "floor"):
        assert explained(f"test/{name}_km")
    for name in [*metric_names("region")[:-1], "country", "cell_top1"]:
        assert not explained(name)


def test_only_shares_and_points_grow_better():
    assert larger_is_better("valid/within_25m")
    assert larger_is_better("valid/geoscore")
    assert larger_is_better("test/country")
    assert not is_share("valid/geoscore")
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
