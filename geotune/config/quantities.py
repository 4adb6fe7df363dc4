"""Times and lengths with their units; a bare number is refused."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_METRES = {"m": 1.0, "km": 1000.0}


def _quantity(units: Mapping[str, float], example: str) -> Any:
    def parse(value: Any) -> float:
        if isinstance(value, str):
            parts = re.findall(r"(\d+(?:\.\d*)?)\s*([a-z]+)", value.strip())
            whole = "".join(number + unit for number, unit in parts) == value.replace(" ", "")
            if parts and whole and all(unit in units for _, unit in parts):
                return sum(float(number) * units[unit] for number, unit in parts)
        raise ValueError(f"expected a number with a unit ({', '.join(units)}), as in {example}")

    return parse


parse_duration = _quantity(_SECONDS, "90s, 20m, 8h or 1h30m")
parse_length = _quantity(_METRES, "50m or 2.5km")


def _largest_unit(units: Mapping[str, float]) -> Any:
    def text(value: float) -> str:
        for unit, size in sorted(units.items(), key=lambda item: -item[1]):
            if value >= size and value % size == 0:
                return f"{int(value // size)}{unit}"
        number = f"{value:.9f}".rstrip("0").rstrip(".")  # no exponent: the parser knows none
        return f"{number}{next(iter(units))}"

    return text


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(_largest_unit({"s": 1, "m": 60, "h": 3600})),
    "time such as 8h",
]
"""Seconds, written with a unit: `90s`, `20m`, `8h`."""
Length = Annotated[float, BeforeValidator(parse_length), PlainSerializer(_largest_unit(_METRES)), "length such as 50m"]
"""Metres, written with a unit: `50m`, `2.5km`."""
