"""Are two models different? A paired test on the errors that both make on the same photos."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geotune.geo.stats import ROUNDS, Floats, Interval, Measure, Statistic, bootstrap_rounds, percentiles, statistic_of

Verdict = Literal["better", "worse", "noise"]

LEVEL = 0.95
_ELEMENTS_AT_ONCE = 2_000_000  # 16 MB of swapped errors


@dataclass(frozen=True)
class Paired:
    """What the same photos say of model B against model A; lengths in the unit of the errors."""

    statistic: Statistic
    difference: float
    """The statistic of B's errors less that of A's: below 0 B is nearer."""
    interval: Interval
    """95 %, by bootstrap over places."""
    p_value: float
    """How often places whose two errors change owners by chance differ as much: small is no chance."""

    @property
    def verdict(self) -> Verdict:
        """What B is: `better` or `worse` only where interval and p-value both say so at the 5 % level."""
        low, high = self.interval
        if self.p_value > 1 - LEVEL or low <= 0 <= high:
            return "noise"
        return "better" if self.difference < 0 else "worse"


def paired(
    errors_a: ArrayLike,
    errors_b: ArrayLike,
    places: ArrayLike,
    statistic: Statistic = "median",
    *,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Paired:
    """Compare errors (N,) of two models on the same photos, each belonging to one of places (N,).

    The interval of the difference draws places with replacement, for both models the same ones. The p-value swaps the
    two models' errors, for all photos of a place together, by the toss of a coin (a permutation test, two-sided:
    Ernst 2004): with few places, where a bootstrap is too sure of itself, it cannot become small; with five places not
    below 0.06. Raises ValueError on no errors, unequal lengths, NaN, or an unknown statistic.
    """
    a, b, labels = np.asarray(errors_a, float).ravel(), np.asarray(errors_b, float).ravel(), np.asarray(places).ravel()
    if a.shape != b.shape:
        raise ValueError(f"{a.size} errors of one model and {b.size} of the other")
    if np.isnan(a).any() or np.isnan(b).any():
        raise ValueError("errors that are NaN")
    drawn = bootstrap_rounds({"a": Measure(a, statistic), "b": Measure(b, statistic)}, labels, rounds=rounds, seed=seed)
    difference = float(statistic_of(b, statistic) - statistic_of(a, statistic))
    place_N = np.unique(labels, return_inverse=True)[1].reshape(-1)
    by_chance = _swapped(a, b, place_N, statistic, rounds, seed)
    as_large = np.abs(by_chance) >= abs(difference) * (1 - 1e-12)
    p_value = float((as_large.sum() + 1) / (rounds + 1))
    return Paired(statistic, difference, percentiles(drawn["b"] - drawn["a"], LEVEL), p_value)


def _swapped(a: Floats, b: Floats, place_N: NDArray[np.int64], statistic: Statistic, rounds: int, seed: int) -> Floats:
    """(rounds,) the difference of the statistic where each place's two errors have changed owners by chance."""
    rng = np.random.default_rng(seed)
    at_once = max(1, _ELEMENTS_AT_ONCE // a.size)
    found = []
    for start in range(0, rounds, at_once):
        coin_RP = rng.integers(2, size=(min(at_once, rounds - start), int(place_N.max()) + 1)).astype(bool)
        swap_RN = coin_RP[:, place_N]
        found.append(
            statistic_of(np.where(swap_RN, a, b), statistic) - statistic_of(np.where(swap_RN, b, a), statistic)
        )
    return np.concatenate(found)
