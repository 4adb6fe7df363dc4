"""How sure a measured number is: bootstrap intervals over places.

Photos of one place err together, so places are drawn, not photos: on one public street set the interval of a median
over photos was [116, 163] m and the honest one over blocks [97, 174] m.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Statistic = Literal["median", "mean", "rmse", "p90"]
Interval = tuple[float, float]
"""(low, high), in the unit of the number that it belongs to."""

ROUNDS = 2000
_QUANTILE = {"median": 0.5, "p90": 0.9}
_ELEMENTS_AT_ONCE = 4_000_000  # 32 MB of counts


@dataclass(frozen=True, eq=False)
class Measure:
    """One number said of N photos: a statistic of a value a photo. A share is the mean of zeros and ones."""

    values: Floats
    """(N,)"""
    statistic: Statistic = "mean"
    counted: NDArray[np.bool_] | None = None
    """(N,) photos that the number is about, at least one; None is all of them."""

    def value(self) -> float:
        """The number itself. Raises ValueError on no photos."""
        if not self.kept.size:
            raise ValueError("no errors to summarise")
        return float(statistic_of(self.kept, self.statistic))

    @property
    def kept(self) -> Floats:
        """The values of the photos that count."""
        return self.values if self.counted is None else self.values[self.counted]


def statistic_of(values: Floats, statistic: Statistic) -> Floats:
    """The statistic along the last axis, (*S, N) -> (*S)."""
    if statistic == "median":
        return np.asarray(np.median(values, axis=-1))  # faster than the quantile
    if statistic in _QUANTILE:
        return np.asarray(np.quantile(values, _QUANTILE[statistic], axis=-1))
    mean: Floats = np.mean(values if statistic == "mean" else values**2, axis=-1)
    return mean if statistic == "mean" else np.sqrt(mean)


def bootstrap_intervals(
    measures: Mapping[str, Measure], places: ArrayLike, *, level: float = 0.95, rounds: int = ROUNDS, seed: int = 0
) -> dict[str, Interval]:
    """The percentile interval of every measure of the same photos, as `bootstrap_rounds` draws them.

    With a single place low equals high: nothing can be said. NaN among a measure's values makes its interval NaN.
    Raises ValueError on no photos, unequal lengths, or an unknown statistic.
    """
    drawn = bootstrap_rounds(measures, places, rounds=rounds, seed=seed)
    return {name: percentiles(value_R, level) for name, value_R in drawn.items()}


def bootstrap_rounds(
    measures: Mapping[str, Measure], places: ArrayLike, *, rounds: int = ROUNDS, seed: int = 0
) -> dict[str, Floats]:
    """(rounds,) values of every measure of the same photos, each belonging to one of places (N,).

    Every round draws as many places as there are, with replacement, and takes all photos of each (the cluster
    bootstrap: Davison & Hinkley 1997, section 3.8); all measures see the same draws. NaN where a round has none of the
    photos that a measure is about.
    """
    labels = np.asarray(places).ravel()
    for measure in measures.values():
        if not measure.values.size or measure.values.shape != labels.shape:
            raise ValueError(f"{measure.values.size} errors and {labels.size} places")
        if measure.statistic not in get_args(Statistic):
            raise ValueError(f"{measure.statistic}: expected one of {', '.join(get_args(Statistic))}")
    place_N = np.unique(labels, return_inverse=True)[1].reshape(-1)
    # Several quantiles of the same errors share one sorting, all means one matrix product.
    groups: dict[tuple[int, int], dict[str, Measure]] = {}
    for name, one in measures.items():
        key = (id(one.values), id(one.counted)) if one.statistic in _QUANTILE else (0, 0)
        groups.setdefault(key, {})[name] = one
    parts = [(_Quantiles if key != (0, 0) else _Means)(group, place_N) for key, group in groups.items()]
    drawn: dict[str, list[Floats]] = {name: [] for name in measures}
    rng = np.random.default_rng(seed)
    at_once = max(1, _ELEMENTS_AT_ONCE // max(1, labels.size))
    for start in range(0, rounds, at_once):
        counts_RP = _draw(rng, min(at_once, rounds - start), int(place_N.max()) + 1)
        for part in parts:
            for name, value_R in part.of(counts_RP).items():
                drawn[name].append(value_R)
    # Sorted to the end, a NaN would leave quantiles as if it were a far error.
    spoilt = {name: np.isnan(one.kept).any() for name, one in measures.items()}
    return {name: np.concatenate(drawn[name]) if not spoilt[name] else np.full(rounds, np.nan) for name in measures}


def percentiles(drawn_R: Floats, level: float) -> Interval:
    """(low, high) between which the share `level` of the rounds lies; rounds that say nothing (NaN) are left out."""
    if np.isnan(drawn_R).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(drawn_R, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_interval(
    errors: ArrayLike,
    places: ArrayLike,
    statistic: Statistic = "median",
    *,
    level: float = 0.95,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Interval:
    """`bootstrap_intervals` of one statistic of errors (N,)."""
    measure = Measure(np.asarray(errors, float).ravel(), statistic)
    return bootstrap_intervals({"": measure}, places, level=level, rounds=rounds, seed=seed)[""]


def _draw(rng: np.random.Generator, rounds: int, places: int) -> NDArray[np.int64]:
    """(rounds, places): how often each place is drawn."""
    drawn = rng.integers(places, size=(rounds, places)) + np.arange(rounds)[:, None] * places
    return np.bincount(drawn.ravel(), minlength=rounds * places).reshape(rounds, places)


class _Means:
    """Means and root mean squares of M measures, from their sums a place."""

    def __init__(self, measures: Mapping[str, Measure], place_N: NDArray[np.int64]) -> None:
        self.measures = measures
        sums, photos = [], []
        for one in measures.values():
            weight_N = np.ones(len(place_N)) if one.counted is None else one.counted.astype(float)
            powered = np.where(weight_N > 0, one.values, 0.0) ** (2 if one.statistic == "rmse" else 1)
            sums.append(np.bincount(place_N, weights=powered))
            photos.append(np.bincount(place_N, weights=weight_N))
        self.sums_PM, self.photos_PM = np.stack(sums, axis=1), np.stack(photos, axis=1)

    def of(self, counts_RP: NDArray[np.int64]) -> dict[str, Floats]:
        """The value of each measure in each round."""
        counts = counts_RP.astype(float)  # BLAS multiplies no integers
        with np.errstate(invalid="ignore"):
            mean_RM = (counts @ self.sums_PM) / (counts @ self.photos_PM)
        roots = [one.statistic == "rmse" for one in self.measures.values()]
        return {name: np.sqrt(mean_RM[:, k]) if roots[k] else mean_RM[:, k] for k, name in enumerate(self.measures)}


class _Quantiles:
    """Quantiles of one set of values: a look-up in the cumulated counts of the sorted photos."""

    def __init__(self, measures: Mapping[str, Measure], place_N: NDArray[np.int64]) -> None:
        self.measures = measures
        first = next(iter(measures.values()))
        counted = np.ones(len(place_N), bool) if first.counted is None else first.counted
        order = np.argsort(first.values[counted], kind="stable")
        self.values, self.place_N = first.values[counted][order], place_N[counted][order]

    def of(self, counts_RP: NDArray[np.int64]) -> dict[str, Floats]:
        """The value of each measure in each round."""
        seen_RN = np.cumsum(counts_RP[:, self.place_N], axis=1)
        return {name: self._quantile(seen_RN, _QUANTILE[one.statistic]) for name, one in self.measures.items()}

    def _quantile(self, seen_RN: NDArray[np.int64], quantile: float) -> Floats:
        position_R = (seen_RN[:, -1] - 1) * quantile  # NumPy's linear interpolation between order statistics
        below_R, above_R = np.floor(position_R), np.ceil(position_R)
        low_R = self.values[np.argmax(seen_RN > below_R[:, None], axis=1)]
        high_R = self.values[np.argmax(seen_RN > above_R[:, None], axis=1)]
        interpolated: Floats = low_R + (position_R - below_R) * (high_R - low_R)
        return np.where(seen_RN[:, -1] > 0, interpolated, np.nan)
