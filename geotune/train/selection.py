"""`train.selection`: how a run's value, and the epoch that is kept, follow from a metric epoch by epoch.

The only place that knows: training, patience, the record of a search, its stopping rule and the figures all ask here.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from geotune.errors import SettingsError
from geotune.geo.metrics import Extent, on_scale

Rule = Literal["best", "smoothed"]

WINDOW = 3
"""Epochs that `smoothed` averages."""


@dataclass(frozen=True)
class Standing:
    """What a run has reached after its epochs so far."""

    value: float
    """The run's value, NaN as long as no epoch had a finite one."""
    epoch: int
    """The epoch whose weights are kept; 0 where there is none."""


def standing(values: Mapping[int, float], rule: Rule, *, larger_is_better: bool) -> Standing:
    """A metric by epoch -> the run's value after the last of them, and the epoch whose weights are kept.

    `best` takes the best epoch. `smoothed` takes the best mean over three epochs in a row, and keeps the last epoch of
    that window: one lucky epoch on few validation photos decides nothing. As long as no three are together, the mean of
    all that there are stands in, which may be better than what follows. What is not finite never wins, nor does a
    window that holds it; of equals the earlier wins.
    """
    sign = -1.0 if larger_is_better else 1.0
    ordered = sorted(values.items())
    candidates = list(_windows(ordered, 1 if rule == "best" else WINDOW))
    finite = [(epoch, value) for epoch, value in ordered if math.isfinite(value)]
    if not candidates and finite:
        candidates = list(_windows(finite, len(finite)))
    return min(candidates, key=lambda found: sign * found.value, default=Standing(math.nan, 0))


def selected_metric(select: str, extent: Extent) -> str:
    """`train.select` under its full name on the data's scale; SettingsError or GeotuneError where it is none."""
    if not select.startswith("valid/") or (select.startswith("valid/loss") and select != "valid/loss"):
        problem = f"expected a metric of the validation photos, such as valid/median; got {select!r}"
        raise SettingsError([("train.select", problem)])
    return on_scale(select, extent)


def _windows(ordered: list[tuple[int, float]], length: int) -> Iterator[Standing]:
    """The mean of every `length` epochs in a row that are all finite, with the last of them."""
    for end in range(length, len(ordered) + 1):
        values = [value for _, value in ordered[end - length : end]]
        if all(map(math.isfinite, values)):
            yield Standing(math.fsum(values) / length, ordered[end - 1][0])
