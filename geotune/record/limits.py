"""`where`: what a trial must keep to besides being good, as `seconds_per_epoch < 60`."""

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from geotune.config import Flat, parse_duration, unknown
from geotune.errors import GeotuneError, SettingsError
from geotune.geo.metrics import Extent, metric_names, on_scale

EPOCH_SECONDS = "seconds_per_epoch"
"""The median of the trial's `train/seconds`: its first epoch alone may be slow."""
OTHERS = (
    "train/seconds",
    "train/photos_per_second",
    "train/waiting",
    "train/peak_mb",
    "train/skipped",
    "train/loss",
    "valid/loss",
)
"""What an epoch reports besides the metrics of geotune.geo.metrics."""
SECONDS = (EPOCH_SECONDS, "train/seconds")
MOST = 1e6
"""Excess of a value that is endless: JSON knows no infinity."""


@dataclass(frozen=True)
class Limit:
    """One bound on one number of a trial."""

    key: str
    """`seconds_per_epoch`, or a metric of an epoch under its full name: `train/peak_mb`, `valid/p90_m`."""
    sign: str
    """< | <= | > | >="""
    bound: float

    def __str__(self) -> str:
        return f"{self.key} {self.sign} {self.bound:g}"

    def value(self, epochs: Mapping[int, Mapping[str, float | None]], kept: int) -> float:
        """The trial's number, from its metrics by epoch: that of the epoch that is kept; NaN where it has none."""
        if self.key == EPOCH_SECONDS:
            seconds = [_number(metrics.get("train/seconds")) for metrics in epochs.values()]
            return statistics.median([value for value in seconds if not math.isnan(value)] or [math.nan])
        return _number(epochs.get(kept, {}).get(self.key))

    def excess(self, value: float) -> float:
        """How far the number is beyond the bound, as a share of it: above 0 it breaks the limit.

        It is the constraint that samplers see. A trial without the number breaks nothing.
        """
        if math.isnan(value):
            return -1.0
        above = value - self.bound if self.sign.startswith("<") else self.bound - value
        if above == 0 and "=" not in self.sign:
            return 1e-9
        return max(-MOST, min(MOST, above / (abs(self.bound) or 1.0)))


def spelt_out(flat: Flat) -> Flat:
    """`where: {seconds_per_epoch: "< 60"}`, a text or a list of texts -> `{"where": ["seconds_per_epoch < 60"]}`."""
    written = {key: value for key, value in flat.items() if key == "where" or key.startswith("where.")}
    if not written:
        return flat
    rest = {key: value for key, value in flat.items() if key not in written}
    own = written.pop("where", None) or []
    bounds = own if isinstance(own, dict) else {key.removeprefix("where."): value for key, value in written.items()}
    texts = [] if isinstance(own, dict) else own if isinstance(own, list) else [own]
    texts = [*texts, *(f"{key} {bound}" for key, bound in bounds.items())]
    return rest | {"where": texts}


def limits(texts: Sequence[str], extent: Extent | None = None) -> tuple[Limit, ...]:
    """The limits that `where` spells; on data of a known extent the metrics take their full names.

    Raises SettingsError with everything that is wrong.
    """
    found: list[Limit] = []
    problems: list[tuple[str, str]] = []
    for text in texts:
        key = re.split(r"[\s<>=]", text.strip(), maxsplit=1)[0]
        try:
            found.append(_parse(text, extent))
        except ValueError as error:
            problems.append((f"where.{key}", str(error)))
    if problems:
        raise SettingsError(problems)
    return tuple(found)


def _parse(text: str, extent: Extent | None) -> Limit:
    parts = re.fullmatch(r"\s*(\S+?)\s*(<=|>=|<|>)\s*(\S+)\s*", text)
    if not parts:
        raise ValueError(f'expected a bound, as "< 60" (with <, <=, > or >=); got {text!r}')
    key, sign, bound = parts.groups()
    return Limit(_key(key, extent), sign, _bound(key, bound))


def _key(key: str, extent: Extent | None) -> str:
    if key == EPOCH_SECONDS or key in OTHERS:
        return key
    extents: tuple[Extent, ...] = (extent,) if extent else ("region", "world")
    for one in extents:
        try:
            full = on_scale(key, one)
        except GeotuneError:
            continue
        if key.startswith("valid/") and full.removeprefix("valid/") in metric_names(one):
            return full if extent else key
    known = [EPOCH_SECONDS, *OTHERS, *(f"valid/{name}" for one in extents for name in metric_names(one))]
    raise ValueError(unknown(key, known).replace("setting", "number of a trial"))


def _bound(key: str, text: str) -> float:
    try:
        value = parse_duration(text) if key in SECONDS and re.search(r"[smhd]$", text) else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"expected a number behind the sign, as in < 60; got {text!r}")
    return value


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
