"""Numbers of a search as people read them: `57.4 m`, `31.2 %`, `1:02:30`, `3.4 GB`, `backbone=resnet18 lr=0.003`."""

import math
from collections.abc import Mapping
from typing import Any

from geotune.config import Flat
from geotune.geo.metrics import UNIT, is_share

NONE = "–"
"""What stands where there is no value."""


def value_text(value: float | None, metric: str) -> str:
    """`812 km`, `57.4 m`, `31.2 %`, `0.31`: a metric's value with the unit of its name; `–` where there is none."""
    text = number_text(value, metric)
    return text if text == NONE else f"{text} {unit_of(metric)}".rstrip()


def number_text(value: float | None, metric: str) -> str:
    """`value_text` without the unit, for a column that has it in its heading."""
    if value is None or math.isnan(value):
        return NONE
    if is_share(metric):
        return f"{100 * value:.1f}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")


def unit_of(metric: str) -> str:
    """`valid/median_km` -> `km`, `valid/within_25km` -> `%`; empty for losses and counts."""
    if is_share(metric):
        return "%"
    unit = metric.rpartition("_")[2]
    return "MB" if unit == "mb" else unit if unit in UNIT.values() else "s" if metric.endswith("seconds") else ""


def tested_metric(test: Mapping[str, Any]) -> str:
    """The name of the median error in final.json, `test/median_km`."""
    return next(name for unit in UNIT.values() if (name := f"test/median_{unit}") in test["metrics"])


def tested_text(test: Mapping[str, Any]) -> str:
    """final.json in a line: `test median 66.1 m (95 % 30.5-144); one point for every photo would give 313 m`."""
    metric = tested_metric(test)
    low, high = (number_text(test[key], metric) for key in ("low", "high"))
    found = f"test median {value_text(test['metrics'][metric], metric)} (95 % {low}-{high})"
    return f"{found}; one point for every photo would give {value_text(test['baseline'], metric)}"


def drawn_text(drawn: Flat) -> str:
    """`backbone=resnet18 lr=0.003`: the searched settings of a trial, by their last word."""
    return " ".join(f"{short_key(key)}={short(value)}" for key, value in drawn.items())


def short_key(key: str) -> str:
    """`model.head.name` -> `head`, `optim.lr` -> `lr`."""
    return key.removesuffix(".name").rpartition(".")[2]


def short(value: object) -> str:
    """A setting's value, numbers to three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def duration_text(seconds: float) -> str:
    """`4:05`, `1:02:30` or `3 d 4:05:00`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours}:{minutes:02d}:{rest:02d}"
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def age_text(seconds: float) -> str:
    """How long ago, in one unit: `40 s`, `12 min`, `5 h`, `3 d`, `8 weeks`."""
    for unit, length, below in (("s", 1, 60), ("min", 60, 3600), ("h", 3600, 86400), ("d", 86400, 28 * 86400)):
        if seconds < below:
            return f"{int(max(seconds, 0) // length)} {unit}"
    return f"{int(seconds // (7 * 86400))} weeks"


def size_text(size_bytes: float) -> str:
    """`12 kB`, `3.4 GB`: decimal, as disks are sold."""
    unit = "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size_bytes < 999.5 or unit == "TB":
            break
        size_bytes /= 1000
    return f"{size_bytes:.0f} {unit}" if size_bytes >= 10 or unit == "B" else f"{size_bytes:.1f} {unit}"
