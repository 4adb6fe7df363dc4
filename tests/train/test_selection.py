"""A run's value and its kept epoch."""

import math
import random

import pytest

from geotune.errors import GeotuneError, SettingsError
from geotune.train.bundle import load_bundle
from geotune.train.loop import train
from geotune.train.selection import Standing, selected_metric, standing

NAN = math.nan


def by_epoch(*values: float) -> dict[int, float]:
    return dict(enumerate(values, start=1))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5.0], Standing(5, 1)),
        ([5.0, 3.0, 4.0], Standing(3, 2)),
        ([5.0, 3.0, 3.0], Standing(3, 2)),  # of equals the earlier
        ([NAN, 5.0, NAN], Standing(5, 2)),
        ([-math.inf, 5.0], Standing(5, 2)),
    ],
)
def test_best_is_the_best_epoch(values, expected):
    assert standing(by_epoch(*values), "best", larger_is_better=False) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([6.0], Standing(6, 1)),
        ([6.0, 2.0], Standing(4, 2)),
        ([1.0, 8.0, 9.0], Standing(6, 3)),  # the lucky first epoch no longer counts alone
        ([1.0, 8.0, 9.0, 7.0, 5.0], Standing(6, 3)),
        ([1.0, 8.0, 9.0, 7.0, 2.0, 3.0, 100.0], Standing(4, 6)),
        ([9.0, 6.0, 6.0, NAN, 1.0, 1.0], Standing(7, 3)),  # no window over a NaN
        ([9.0, NAN, 5.0], Standing(7, 3)),  # no window yet
        ([9.0, 5.0, NAN], Standing(7, 2)),
        ([NAN, NAN, NAN, 4.0], Standing(4, 4)),
    ],
)
def test_smoothed_is_the_best_mean_of_three(values, expected):
    assert standing(by_epoch(*values), "smoothed", larger_is_better=False) == expected


@pytest.mark.parametrize("rule", ["best", "smoothed"])
def test_larger_can_be_better(rule):
    values = by_epoch(0.1, 0.4, 0.3, 0.2, NAN)
    mirrored = {epoch: -value for epoch, value in values.items()}
    larger = standing(values, rule, larger_is_better=True)
    smaller = standing(mirrored, rule, larger_is_better=False)
    assert (larger.value, larger.epoch) == (-smaller.value, smaller.epoch)
    assert larger == (Standing(0.4, 2) if rule == "best" else Standing(pytest.approx(0.3), 4))


@pytest.mark.parametrize("rule", ["best", "smoothed"])
@pytest.mark.parametrize("values", [[], [NAN], [NAN, math.inf]])
def test_nothing_finite_is_no_value(values, rule):
    for larger in (False, True):
        found = standing(by_epoch(*values), rule, larger_is_better=larger)
        assert math.isnan(found.value)
        assert found.epoch == 0


@pytest.mark.parametrize("rule", ["best", "smoothed"])
def test_the_order_in_which_epochs_arrive_does_not_matter(rule):
    values = by_epoch(4.0, 3.0, 9.0, 1.0, 2.0)
    shuffled = {epoch: values[epoch] for epoch in (5, 1, 3, 2, 4)}
    assert standing(values, rule, larger_is_better=False) == standing(shuffled, rule, larger_is_better=False)


@pytest.mark.parametrize("rule", ["best", "smoothed"])
def test_the_kept_epoch_is_the_latest_or_stays(rule):
    """A run keeps the weights of one epoch only: it can never go back to one that it let go."""
    numbers = random.Random(0)
    for _ in range(200):
        values, kept = {}, 0
        for epoch in range(1, 12):
            values[epoch] = numbers.choice([NAN, numbers.random(), numbers.random(), numbers.random()])
            found = standing(values, rule, larger_is_better=False)
            assert found.epoch in (epoch, kept)
            kept = found.epoch


def test_a_run_keeps_stops_and_exports_by_it(config, tmp_path):
    """A learning rate that only spoils, so that patience ends it."""
    changes = {"model.frozen_layers": 5, "optim.lr": 0.5, "optim.schedule": "constant", "optim.warmup": 0}
    changes |= {"input.views": 2, "train.patience": 3, "train.epochs": 50, "train.selection": "smoothed"}
    epochs = list(train(config(**changes), tmp_path))
    values = by_epoch(*(epoch.metrics["valid/median_m"] for epoch in epochs))
    for done, epoch in enumerate(epochs, start=1):
        so_far = {number: value for number, value in values.items() if number <= done}
        assert epoch.best_epoch == standing(so_far, "smoothed", larger_is_better=False).epoch
        assert epoch.best == (epoch.best_epoch == done)
    assert len(epochs) == epochs[-1].best_epoch + 3 < 50
    epochs[-1].export(tmp_path / "model")
    bundle = load_bundle(tmp_path / "model", "cpu")
    assert bundle.metrics["epoch"] == epochs[-1].best_epoch
    assert bundle.metrics["valid/median_m"] == values[epochs[-1].best_epoch]


@pytest.mark.parametrize("select", ["train/loss", "median", "valid/loss_of_cells"])
def test_only_validation_photos_select(select):
    with pytest.raises(SettingsError, match=r"train\.select.*such as valid/median; got"):
        selected_metric(select, "region")


def test_a_metric_is_taken_on_the_datas_scale_and_the_loss_when_asked():
    assert selected_metric("valid/median", "world") == "valid/median_km"
    assert selected_metric("valid/within_25m", "region") == "valid/within_25m"
    assert selected_metric("valid/loss", "region") == "valid/loss"
    with pytest.raises(GeotuneError, match="no such metric; did you mean valid/median"):
        selected_metric("valid/medium", "region")
