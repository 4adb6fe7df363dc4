"""What is said of a set of errors: their names, units and radii, for a region in metres and for the world in km."""

import difflib
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from geotune.errors import GeotuneError

Extent = Literal["region", "world"]

UNIT: dict[Extent, str] = {"region": "m", "world": "km"}
PER_KM: dict[Extent, float] = {"region": 1000.0, "world": 1.0}
"""How many of an extent's units make a kilometre."""
RADII: dict[Extent, tuple[int, ...]] = {"region": (10, 25, 50, 100, 250), "world": (1, 25, 200, 750, 2500)}
"""Radii of the shares `within_…`, in the extent's unit; the world's are street, city, region, country, continent."""
DISTANCES = ("median", "mean", "rmse", "p90", "baseline")
"""Metrics that are distances: their full names end in the extent's unit."""


def summarise(errors_km: ArrayLike, extent: Extent) -> dict[str, float]:
    """Errors (N,) in km -> median, mean, rmse, p90 in the extent's unit and the shares (0..1) within RADII (<=).

    Raises ValueError on no errors. One NaN makes every distance NaN and counts as outside every radius.
    """
    errors = np.asarray(errors_km, float).ravel() * PER_KM[extent]
    if not errors.size:
        raise ValueError("no errors to summarise")
    unit = UNIT[extent]
    return {
        f"median_{unit}": float(np.median(errors)),
        f"mean_{unit}": float(errors.mean()),
        f"rmse_{unit}": float(np.sqrt(np.mean(errors**2))),
        f"p90_{unit}": float(np.quantile(errors, 0.9)),
    } | {f"within_{radius}{unit}": float(np.mean(errors <= radius)) for radius in RADII[extent]}


def metric_names(extent: Extent) -> list[str]:
    """Every metric of an extent, full and without prefix, in the order of `summarise`; the baseline last."""
    unit = UNIT[extent]
    shares = [f"within_{radius}{unit}" for radius in RADII[extent]]
    return [f"{name}_{unit}" for name in DISTANCES[:-1]] + shares + [f"baseline_{unit}"]


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


def larger_is_better(metric: str) -> bool:
    """True for the shares `within_…`; all other metrics are distances or losses."""
    return metric.rpartition("/")[2].startswith("within_")


def format_distance(value_km: float, extent: Extent) -> str:
    """A distance in km for people, in the extent's unit: `612 km`, `57 m`, `6,204 km`, `8.3 m`."""
    value = value_km * PER_KM[extent]
    number = f"{value:,.1f}" if abs(value) < 9.95 else f"{value:,.0f}"
    return f"{number} {UNIT[extent]}"
