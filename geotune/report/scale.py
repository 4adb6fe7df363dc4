"""Any setting's values on one straight axis: numbers, powers, words, and `none` where a trial does not have it."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LOG_FROM = 20.0
"""Numbers whose largest is this many times the smallest are drawn on a logarithmic axis."""
FEW = 6
"""A setting with at most this many different values gets one evenly spaced tick for each."""


@dataclass(frozen=True)
class Scale:
    """Where each value stands on the axis, and the ticks that say so."""

    positions: list[float]
    ticks: list[float]
    labels: list[str]


def scale_of(values: Sequence[Any]) -> Scale:
    """Positions of a setting's values in the given order; None means that the trial does not have the setting."""
    known = [value for value in values if value is not None]
    numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in known)
    distinct: list[Any] = sorted(set(known)) if numeric else list(dict.fromkeys(map(str, known)))
    if not numeric or len(distinct) <= FEW:
        order: dict[Any, float] = {value: float(i) for i, value in enumerate(distinct)}
        labels = [_text(value) for value in distinct]
        found = [None if v is None else order[v if numeric else str(v)] for v in values]
        return _with_missing(found, [order[value] for value in distinct], labels, gap=1.0)
    positive = [value for value in distinct if value > 0]
    if min(distinct) >= 0 and positive and max(positive) / min(positive) >= LOG_FROM:
        below = math.log10(min(positive)) - 0.5  # where 0 stands
        place = [None if v is None else (math.log10(v) if v > 0 else below) for v in values]
        decades = range(math.ceil(math.log10(min(positive)) - 1e-9), math.floor(math.log10(max(positive)) + 1e-9) + 1)
        ticks, labels = [float(d) for d in decades], [_text(10.0**d) for d in decades]
        if 0 in distinct:
            ticks, labels = [below, *ticks], ["0", *labels]
        return _with_missing(place, ticks, labels)
    low, high = min(distinct), max(distinct)
    ticks = [low + (high - low) * i / 3 for i in range(4)]
    return _with_missing([None if v is None else float(v) for v in values], ticks, [_text(t) for t in ticks])


def log_ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """Values at 1, 2 and 5 of every decade from low to high (both above 0), and what to write there."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
    shown = [tick for tick in ticks if 0.9 * low <= tick <= 1.1 * high] or [low]
    return shown, [_text(tick) for tick in shown]


def _with_missing(
    places: Sequence[float | None], ticks: list[float], labels: list[str], gap: float | None = None
) -> Scale:
    """Trials without the setting stand below all others, at a tick of their own."""
    if None not in places:
        return Scale([p for p in places if p is not None], ticks, labels)
    known = [p for p in places if p is not None] + ticks
    low, high = min(known, default=0.0), max(known, default=0.0)
    below = low - (gap or 0.25 * (high - low) or 1.0)
    return Scale([below if p is None else p for p in places], [below, *ticks], ["none", *labels])


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return html.escape(str(value))
