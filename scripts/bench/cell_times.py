"""Seconds to build cells of 10,000, 1 and 5 million points, by every kind, into min(10,000, points / 4) cells.

    python scripts/bench/cell_times.py [--json FILE] [--points N …]

The points lie around some 2,700 spots on land, as dense as photos are around towns.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geotune.geo.cells.kinds import KINDS, build
from geotune.geo.countries import is_land
from geotune.record.folder import write_atomic

POINTS = (10_000, 1_000_000, 5_000_000)
CELLS = 10_000
SPOTS = 9000
"""On the whole Earth; those on land are kept."""


def times(counts: list[int]) -> dict[str, dict[str, float]]:
    """`{kind/points: {seconds, cpu_seconds, cells}}`, told line by line; other work lengthens seconds."""
    found: dict[str, dict[str, float]] = {}
    for count in counts:
        lat, lon = points(count)
        for kind in KINDS:
            started, cpu_started = time.perf_counter(), time.process_time()
            made = build(kind, lat, lon, min(CELLS, count // 4))
            seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
            found[f"{kind}/{count}"] = {"seconds": seconds, "cpu_seconds": cpu_seconds, "cells": float(len(made))}
            print(f"building {kind:9} {count:>9,} points -> {len(made):>6,} cells: {seconds:.1f} s, "
                  f"{cpu_seconds:.1f} s of CPU", flush=True)  # fmt: skip
    return found


def points(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(count,) latitudes and longitudes, the same on every call."""
    rng = np.random.default_rng(0)
    lat, lon = np.degrees(np.arcsin(rng.uniform(-0.8, 0.9, SPOTS))), rng.uniform(-180, 180, SPOTS)
    dry = is_land(lat, lon)
    lat, lon = lat[dry], lon[dry]
    spot = rng.integers(len(lat), size=count)
    return np.clip(lat[spot] + rng.normal(0, 1, count), -90, 90), lon[spot] + rng.normal(0, 1, count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--points", type=int, nargs="+", default=list(POINTS), metavar="N")
    options = parser.parse_args()
    found = times(options.points)
    if options.json:
        write_atomic(options.json, json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
