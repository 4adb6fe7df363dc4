"""One searched setting: its range, when it applies, and how Optuna sees it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

KINDS = ("choice", "int", "uniform", "log", "pow2")


@dataclass(frozen=True)
class Parameter:
    """A dotted key, its kind and range, and `when`: parent key -> values of the parent under which it applies.

    Optuna sees `distribution`; `decode` and `encode` translate between its value and the setting's:

    - choice: values that are no plain scalar (a list of photo sizes) are seen as their JSON text;
    - pow2: an ordered power of two, seen as its exponent;
    - log with zero: the range is stretched downwards by a tenth of its logarithmic width, and what falls there is 0.
    """

    key: str
    kind: str
    values: tuple[Any, ...]
    """The choices, or (low, high)."""
    zero: bool = False
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, key: str, spec: Any) -> "Parameter":
        """From a space file's mapping, e.g. `{log: [1e-3, 10], zero: true, when: {…}}`; ValueError names the fault."""
        if not isinstance(spec, dict):
            raise ValueError(f"expected a range such as {{log: [1e-5, 1e-2]}}; got {spec!r}")
        kinds = [kind for kind in KINDS if kind in spec]
        extra = sorted(set(spec) - {*KINDS, "when", "zero"})
        if len(kinds) != 1 or extra:
            what = f"unknown word {extra[0]!r}" if extra else f"{len(kinds)} kinds"
            raise ValueError(f"expected one of {', '.join(KINDS)} and, if wanted, when; got {what}")
        kind, values = kinds[0], spec[kinds[0]]
        if not isinstance(values, list) or not values or (kind != "choice" and len(values) != 2):
            raise ValueError(
                f"{kind} needs a list of {'values' if kind == 'choice' else '[low, high]'}; got {values!r}"
            )
        if kind == "choice":
            texts = [json.dumps(value) for value in values]
            if len(set(texts)) < len(texts):
                raise ValueError(f"choice has a value twice: {values!r}")
        else:
            _check_range(kind, values)
        when = spec.get("when") or {}
        if not isinstance(when, dict):
            raise ValueError(f"when needs a mapping such as {{model.head.name: [cells]}}; got {when!r}")
        zero = bool(spec.get("zero", False))
        if zero and kind != "log":
            raise ValueError("zero: true goes with log; the other kinds can name 0 themselves")
        parents = {k: tuple(v) if isinstance(v, list) else (v,) for k, v in when.items()}
        return cls(key, kind, tuple(values), zero, parents)

    @property
    def distribution(self) -> BaseDistribution:
        if self.kind == "choice":
            return CategoricalDistribution([_scalar(value) for value in self.values])
        low, high = self.values
        if self.kind == "int":
            return IntDistribution(low, high)
        if self.kind == "pow2":
            return IntDistribution(round(math.log2(low)), round(math.log2(high)))
        if self.kind == "uniform":
            return FloatDistribution(low, high)
        return FloatDistribution(self._stretched if self.zero else low, high, log=True)

    @property
    def _stretched(self) -> float:
        low, high = self.values
        return float(low * (low / high) ** (1 / 9))

    def draw(self, trial: optuna.Trial) -> Any:
        """The setting's value in an Optuna trial."""
        distribution = self.distribution
        if isinstance(distribution, CategoricalDistribution):
            return self.decode(trial.suggest_categorical(self.key, distribution.choices))
        if isinstance(distribution, IntDistribution):
            return self.decode(trial.suggest_int(self.key, distribution.low, distribution.high))
        assert isinstance(distribution, FloatDistribution)
        drawn = trial.suggest_float(self.key, distribution.low, distribution.high, log=distribution.log)
        return self.decode(drawn)

    def decode(self, seen: Any) -> Any:
        """Optuna's value -> the setting's."""
        if self.kind == "choice":
            return next(value for value in self.values if _scalar(value) == seen)
        if self.kind == "pow2":
            return 2 ** int(seen)
        if self.kind == "int":
            return int(seen)
        return 0.0 if self.zero and seen < self.values[0] else float(seen)

    def encode(self, value: Any) -> Any:
        """The setting's value -> Optuna's; ValueError where it lies outside the range."""
        if self.kind == "choice":
            if value not in self.values:
                raise ValueError(f"{value!r} is not among the choices {list(self.values)}")
            return _scalar(value)
        low, high = self.values
        if self.zero and value == 0:
            return math.sqrt(self._stretched * low)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"{value!r} is outside [{low}, {high}]")
        if self.kind == "pow2":
            if value != 2 ** round(math.log2(value)):
                raise ValueError(f"{value!r} is not a power of two")
            return round(math.log2(value))
        return value

    def at(self, quantile: float) -> Any:
        """The value, as Optuna sees it, below which lies such a share (0 to below 1) of what chance would draw."""
        distribution = self.distribution
        if isinstance(distribution, CategoricalDistribution):
            return distribution.choices[int(quantile * len(distribution.choices))]
        if isinstance(distribution, IntDistribution):
            return distribution.low + int(quantile * (distribution.high - distribution.low + 1))
        assert isinstance(distribution, FloatDistribution)
        low, high = distribution.low, distribution.high
        if not distribution.log:
            return low + quantile * (high - low)
        return min(high, max(low, math.exp(math.log(low) + quantile * (math.log(high) - math.log(low)))))

    @property
    def continuous(self) -> bool:
        return isinstance(self.distribution, FloatDistribution)

    @property
    def each(self) -> list[Any]:
        """Every value as Optuna sees it, of a parameter that is not continuous."""
        distribution = self.distribution
        if isinstance(distribution, CategoricalDistribution):
            return list(distribution.choices)
        assert isinstance(distribution, IntDistribution)
        return list(range(distribution.low, distribution.high + 1))

    @property
    def samples(self) -> tuple[Any, ...]:
        """Values that show whether a setting can take the whole range: all choices, or both ends."""
        return (*self.values, 0.0) if self.zero else self.values

    @property
    def size(self) -> float:
        """How many values there are; infinite for a continuous range."""
        distribution = self.distribution
        if isinstance(distribution, IntDistribution):
            return distribution.high - distribution.low + 1
        return len(self.values) if self.kind == "choice" else math.inf


def _check_range(kind: str, values: list[Any]) -> None:
    low, high = values
    wanted = (int,) if kind in ("int", "pow2") else (int, float)
    if any(isinstance(v, bool) or not isinstance(v, wanted) for v in values):
        raise ValueError(f"{kind} needs {'whole numbers' if wanted == (int,) else 'numbers'}; got {values!r}")
    if low >= high:
        raise ValueError(f"{kind} needs low < high; got {values!r}")
    if kind == "log" and low <= 0:
        raise ValueError(f"log needs low > 0 (zero: true adds 0 itself); got {values!r}")
    if kind == "pow2" and any(v < 1 or v & (v - 1) for v in values):
        raise ValueError(f"pow2 needs powers of two; got {values!r}")


def _scalar(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) or value is None else json.dumps(value)
