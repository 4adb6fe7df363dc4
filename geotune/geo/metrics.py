"""What is said of a set of errors: their names, units and radii, for a region in metres and for the world in km."""

import difflib
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from geotune.errors import GeotuneError
from geotune.geo.stats import Floats, Measure

Extent = Literal["region", "world"]

UNIT: dict[Extent, str] = {"region": "m", "world": "km"}
PER_KM: dict[Extent, float] = {"region": 1000.0, "world": 1.0}
"""How many of an extent's units make a kilometre."""
RADII: dict[Extent, tuple[int, ...]] = {"region": (10, 25, 50, 100, 250), "world": (1, 25, 200, 750, 2500)}
"""Radii of the shares `within_…`, in the extent's unit; the world's are street, city, region, country, continent."""
DISTANCES = ("median", "mean", "rmse", "p90", "baseline")
"""Metrics of every epoch that are distances: their full names end in the extent's unit."""
GEOSCORE_KM = 1492.7
"""GeoGuessr's scale of the world: at this distance an answer is worth 5000 / e points."""

_WORDS = {
    "median": "median error",
    "mean": "mean error",
    "rmse": "RMSE",
    "p90": "90 % are within",
    "baseline": "baseline",
    "geoscore": "GeoScore",
    "country": "right country",
    "cell_top1": "right cell",
    "cell_top5": "right cell in 5",
    "mean_place": "mean place",
    "nearest_photo": "nearest photo",
    "nearest_place": "nearest place",
    "floor": "floor of cells",
    "median_low": "median, 95 % from",
    "median_high": "median, 95 % to",
}
_EXPLAINED = {
    "baseline": "always saying the middle of the training places",
    "mean_place": "always saying the mean of the training places",
    "nearest_photo": "the place of the training photo with the most similar features of the backbone",
    "nearest_place": "an oracle that names the nearest training place",
    "floor": "an oracle that names the centre of the right cell",
}
_SHARES = ("within_", "country", "cell_top")


def measures(errors_km: ArrayLike, extent: Extent) -> dict[str, Measure]:
    """Errors (N,) in km -> median, mean, rmse, p90 in the extent's unit, the shares (0..1) within RADII (<=).

    Of the world also the mean GeoScore, 5000·exp(-d / 1492.7 km) (Haas et al. 2024, PIGEON); within a town it is 5000
    for any answer. A NaN counts as outside every radius.
    """
    errors = np.asarray(errors_km, float).ravel() * PER_KM[extent]
    unit = UNIT[extent]
    found = {
        f"median_{unit}": Measure(errors, "median"),
        f"mean_{unit}": Measure(errors, "mean"),
        f"rmse_{unit}": Measure(errors, "rmse"),
        f"p90_{unit}": Measure(errors, "p90"),
    } | {f"within_{radius}{unit}": Measure((errors <= radius).astype(float)) for radius in RADII[extent]}
    return found | ({"geoscore": Measure(5000.0 * np.exp(-errors / GEOSCORE_KM))} if extent == "world" else {})


def median_of(name: str, errors_km: Floats, extent: Extent) -> dict[str, Measure]:
    """Errors (N,) in km of some other answer, a baseline -> their median under that name, in the extent's unit."""
    return {f"{name}_{UNIT[extent]}": Measure(errors_km * PER_KM[extent], "median")}


def metric_names(extent: Extent) -> list[str]:
    """Every metric of an epoch, full and without prefix, in the order of `measures`; the baseline last."""
    return [*measures(np.zeros(1), extent), f"baseline_{UNIT[extent]}"]


def is_share(metric: str) -> bool:
    """True for metrics from 0 to 1: shares within a radius, right countries, right cells."""
    return metric.rpartition("/")[2].startswith(_SHARES)


def larger_is_better(metric: str) -> bool:
    """True for shares and the GeoScore; all other metrics are distances or losses."""
    return is_share(metric) or metric.rpartition("/")[2] == "geoscore"


def words(metric: str) -> str:
    """What a metric is called: `test/within_25km` -> `within 25 km`, `median_m` -> `median error`."""
    name = metric.rpartition("/")[2]
    if name.startswith("within_"):
        radius = name.removeprefix("within_")
        number = radius.rstrip("km")
        return f"within {number} {radius[len(number) :]}"
    return _WORDS.get(_stem(name), _stem(name))


def explained(metric: str) -> str:
    """What a baseline's answer is, in words; "" for the metrics of the model itself."""
    return _EXPLAINED.get(_stem(metric.rpartition("/")[2]), "")


def _stem(name: str) -> str:
    """A name without its unit."""
    stem, _, unit = name.rpartition("_")
    return stem if unit in UNIT.values() else name


def format_metric(metric: str, value: float, extent: Extent) -> str:
    """A metric's value for people: `57 m`, `12.5 %`, `3,412 points`."""
    if is_share(metric):
        return f"{100 * value:.1f} %"
    if metric.rpartition("/")[2] == "geoscore":
        return f"{value:,.0f} points"
    return format_distance(value / PER_KM[extent], extent)


def on_scale(goal: str, extent: Extent) -> str:
    """The full name of a goal on data of this extent: `valid/median` -> `valid/median_m`; a full name is kept.

    Losses (`valid/loss…`, `train/loss…`) have no unit and are kept too. Raises GeotuneError for an unknown metric
    and for the other extent's unit.
    """
    prefix, slash, name = goal.rpartition("/")
    full = f"{name}_{UNIT[extent]}" if name in DISTANCES else name
    if full in metric_names(extent) or full.startswith("loss"):
        return f"{prefix}{slash}{full}"
    other: Extent = "world" if extent == "region" else "region"
    if name in metric_names(other):
        mend = name.rpartition("_")[0] if not name.startswith("within_") else f"within_{RADII[extent][1]}{UNIT[extent]}"
        raise GeotuneError(
            f"{goal}: this dataset's extent is {extent}, its errors are in {UNIT[extent]}",
            f"say {prefix}{slash}{mend}",
        )
    names = [*DISTANCES, *metric_names(extent)]
    near = difflib.get_close_matches(name, names, n=1)
    raise GeotuneError(
        f"{goal}: no such metric" + (f"; did you mean {prefix}{slash}{near[0]}?" if near else ""),
        f"metrics are {', '.join(metric_names(extent))}",
    )


def format_distance(value_km: float, extent: Extent) -> str:
    """A distance in km for people, in the extent's unit: `612 km`, `57 m`, `6,204 km`, `8.3 m`."""
    value = value_km * PER_KM[extent]
    number = f"{value:,.1f}" if abs(value) < 9.95 else f"{value:,.0f}"
    return f"{number} {UNIT[extent]}"
