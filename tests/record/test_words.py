"""Numbers of a search as people read them."""

import math
from typing import Any

import pytest

from geotune.record.words import age_text, drawn_text, duration_text, size_text, value_text


@pytest.mark.parametrize(
    ("value", "metric", "text"),
    [
        (57.38, "valid/median_m", "57.4 m"),
        (6204.3, "valid/median_km", "6,204 km"),
        (0.3125, "valid/within_25km", "31.2 %"),
        (61.04, "train/seconds", "61.0 s"),
        (0.12345, "valid/loss", "0.123"),
        (1700.8, "train/peak_mb", "1,701 MB"),
        (3412.2, "valid/geoscore", "3,412"),
        (math.nan, "valid/median_m", "–"),
        (None, "valid/median_m", "–"),
    ],
)
def test_values(value: Any, metric: str, text: str) -> None:
    assert value_text(value, metric) == text


def test_settings() -> None:
    drawn = {"model.head.name": "cells", "optim.lr": 0.00094752, "train.batch_size": 64, "input.sizes": [192, 256]}
    assert drawn_text(drawn) == "head=cells lr=0.000948 batch_size=64 sizes=[192, 256]"


def test_times() -> None:
    assert [duration_text(s) for s in (0, 245.9, 3750, 273_900)] == ["0:00", "4:05", "1:02:30", "3 d 4:05:00"]
    ages = (-1, 40, 59, 60, 7200, 86_400 * 3, 86_400 * 60)
    assert [age_text(s) for s in ages] == ["0 s", "40 s", "59 s", "1 min", "2 h", "3 d", "8 weeks"]


def test_sizes() -> None:
    sizes = (0, 999, 1000, 12_345, 999_600, 3_400_000_000, 5e15)
    assert [size_text(s) for s in sizes] == ["0 B", "999 B", "1.0 kB", "12 kB", "1.0 MB", "3.4 GB", "5000 TB"]
