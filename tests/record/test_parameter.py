"""One searched setting: the values of its range by their quantile, and each of them."""

import math
from typing import Any

import pytest

from geotune.record.parameter import Parameter

KINDS: list[dict[str, Any]] = [
    {"choice": ["a", "b", [1, 2]]},
    {"int": [3, 6]},
    {"pow2": [8, 64]},
    {"uniform": [-1.0, 1.0]},
    {"log": [1e-3, 10]},
    {"log": [1e-3, 10], "zero": True},
]


@pytest.mark.parametrize("spec", KINDS)
def test_quantiles_cover_the_range_and_nothing_else(spec: dict[str, Any]) -> None:
    parameter = Parameter.parse("a", spec)
    values = [parameter.at(step / 1000) for step in range(1000)]
    assert all(parameter.distribution._contains(parameter.distribution.to_internal_repr(value)) for value in values)
    if parameter.continuous:
        assert values == sorted(values)
        assert parameter.at(0.0) == pytest.approx(parameter.distribution.low)  # type: ignore[attr-defined]
        assert len(set(values)) == 1000
    else:
        assert list(dict.fromkeys(values)) == parameter.each
        assert len(parameter.each) == parameter.size
        assert all(abs(values.count(value) - 1000 / len(parameter.each)) <= 1 for value in parameter.each)


def test_a_log_range_is_even_in_its_logarithm_and_zero_has_a_tenth() -> None:
    parameter = Parameter.parse("a", {"log": [1e-3, 10], "zero": True})
    drawn = [parameter.decode(parameter.at((step + 0.5) / 1000)) for step in range(1000)]
    assert drawn.count(0.0) == 100
    assert sum(math.log10(value) < -1 for value in drawn if value) == 450
