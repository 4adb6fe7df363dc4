"""Every head by one recipe, beside the nearest neighbour in frozen features: errors, intervals, seconds an epoch.

    python scripts/bench/heads.py [--json FILE] [--photos FOLDER] [--seeds 3] [--quick]

The recipe: a frozen tf_efficientnet_lite0, its last three stages pooled, one hidden layer of 256, 30 epochs of AdamW.
Datasets: the demo by place and by block of 10°, and the street photos of --photos (labels.csv, by blocks of 50 m).
Medians and means are of all test photos under all seeds; intervals are 95 % by bootstrap over places. Cells that
respect borders stand beside as many of k-means, and each kind's building time for 10,000, 1 and 5 million points.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import numpy as np

from geotune.config import build as settings
from geotune.data.dataset import open_dataset
from geotune.data.demo import build_demo
from geotune.geo.cells.kinds import build as build_cells
from geotune.geo.cells.statistics import statistics
from geotune.geo.countries import country_codes, is_land
from geotune.geo.metrics import PER_KM, UNIT
from geotune.geo.sphere import distance_km, mean_point
from geotune.geo.stats import bootstrap_interval
from geotune.train.bundle import load_bundle
from geotune.train.evaluate import evaluate
from geotune.train.loop import train
from geotune.train.settings import TrainConfig

NEAREST = "nearest photo"
HEADS: dict[str, dict[str, Any]] = {
    "mean place": {},
    NEAREST: {"name": "retrieval", "neighbours": 1},
    "regression": {"name": "regression", "hidden": 256, "dropout": 0.2},
    "cells": {"name": "cells", "hidden": 256, "dropout": 0.2},
    "hierarchical": {"name": "hierarchical", "cells": 256, "hidden": 256, "dropout": 0.2},
    "hybrid": {"name": "hybrid", "hidden": 256, "dropout": 0.2},
    "multitask": {"name": "multitask", "hidden": 256, "dropout": 0.2},
    "mixture": {"name": "mixture", "components": 32, "hidden": 256, "dropout": 0.2},
    "retrieval": {"name": "retrieval", "hidden": 256, "dropout": 0.2},
}
RECIPE = {
    "model.backbone": "tf_efficientnet_lite0",
    "model.frozen_layers": 5,
    "model.features": "stages",
    "train.epochs": 30,
    "optim.lr": 1e-3,
}
QUICK = {**RECIPE, "model.backbone": "test_resnet", "model.weights": "none", "input.augment": "none", "train.epochs": 2}
PX = {"demo": 96, "cambridge": 192}
KINDS = ("kmeans", "borders")
Errors = dict[str, np.ndarray]


def heads(name: str, data: Path, recipe: dict[str, Any], seeds: int, folder: Path) -> dict[str, dict[str, float]]:
    """All heads on one dataset -> `{name/head: {median, low, high, mean, baseline, seconds}}` in its own unit."""
    found: dict[str, dict[str, float]] = {}
    extent = open_dataset(data).extent
    for head, own in HEADS.items():
        errors = _errors(data, own, recipe, seeds, folder) if own else _mean_place(data)
        km, places = errors["km"] * PER_KM[extent], errors["place"]
        low, high = bootstrap_interval(km, places, "median")
        found[f"{name}/{head}"] = row = {
            "median": float(np.median(km)), "low": low, "high": high, "mean": float(km.mean()),
            "seconds": float(errors["seconds"]),
        }  # fmt: skip
        say(f"{name:16} {head:14} median {row['median']:7.1f} {UNIT[extent]} [{low:.1f}, {high:.1f}], "
            f"mean {row['mean']:7.1f}, {row['seconds']:.2f} s an epoch")  # fmt: skip
    baseline = found[f"{name}/{NEAREST}"]["median"]
    for row in found.values():
        row["baseline"] = baseline
    beat = [key.partition("/")[2] for key, row in found.items() if row["high"] < baseline]
    say(f"{name}: with its whole interval below the nearest neighbour: {', '.join(beat) or 'none'}")
    return found


def _mean_place(data: Path) -> Errors:
    dataset = open_dataset(data)
    known, test = dataset.split("train"), dataset.split("test")
    km = distance_km(test.lat, test.lon, *mean_point(known.lat, known.lon))
    return {"km": km, "place": test.place, "seconds": np.zeros(())}


def _errors(data: Path, own: dict[str, Any], recipe: dict[str, Any], seeds: int, folder: Path) -> Errors:
    """A head trained and tested with every seed: errors and places of all test photos, seeds one after another."""
    test, parts, seconds = open_dataset(data).split("test"), [], []
    head = {f"model.head.{key}": value for key, value in own.items()}
    countries = []
    for seed in range(seeds):
        config = settings(TrainConfig, {**recipe, **head, "data": str(data), "seed": seed})
        work = folder / "work"
        for epoch in train(config, work):
            seconds.append(epoch.metrics["train/seconds"])
        epoch.export(work / "model")
        evaluation = evaluate(load_bundle(work / "model").model, test)
        parts.append(evaluation.errors_km)
        countries.append(country_codes(evaluation.lat, evaluation.lon) == country_codes(test.lat, test.lon))
    return {
        "km": np.concatenate(parts),
        "place": np.tile(test.place, seeds),
        "seconds": np.asarray(np.median(seconds)),
        "country": np.concatenate(countries),
    }


def borders(data: Path, recipe: dict[str, Any], seeds: int, folder: Path) -> dict[str, dict[str, float]]:
    """Cells that respect borders and k-means, as many: error, country accuracy, cells that cross a border."""
    dataset = open_dataset(data)
    known = dataset.split("train")
    found = {}
    for kind in KINDS:
        cells = min(256, len(known) // 2)
        errors = _errors(data, {**HEADS["cells"], "kind": kind, "cells": cells}, recipe, seeds, folder)
        partition = build_cells(kind, known.lat, known.lon, cells)  # type: ignore[arg-type]
        stated = statistics(partition, known.lat, known.lon)
        crossing = int(stated.crossing.sum())
        found[kind] = row = {
            "cells": float(len(partition)),
            "median": float(np.median(errors["km"]) * PER_KM[dataset.extent]),
            "country": float(errors["country"].mean()),
            "crossing": float(crossing),
        }
        say(f"cells by {kind:8} {len(partition)} cells: median {row['median']:.0f} {UNIT[dataset.extent]}, "
            f"{100 * row['country']:.1f} % in the right country, {crossing} cells cross a border")  # fmt: skip
    return found


def times(counts: list[int], cells: int) -> dict[str, dict[str, float]]:
    """Seconds to build cells of so many points, dense around some 2,700 spots on land."""
    found: dict[str, dict[str, float]] = {}
    for count in counts:
        rng = np.random.default_rng(0)
        lat0, lon0 = np.degrees(np.arcsin(rng.uniform(-0.8, 0.9, 9000))), rng.uniform(-180, 180, 9000)
        lat0, lon0 = (degrees[is_land(lat0, lon0)] for degrees in (lat0, lon0))
        spot = rng.integers(len(lat0), size=count)
        lat = np.clip(lat0[spot] + rng.normal(0, 1, count), -90, 90)
        lon = lon0[spot] + rng.normal(0, 1, count)
        for kind in (*KINDS, "countries", "s2", "quadtree"):
            started = time.perf_counter()
            made = build_cells(kind, lat, lon, min(cells, count // 4))  # type: ignore[arg-type]
            seconds = time.perf_counter() - started
            found[f"{kind}/{count}"] = {"seconds": seconds, "cells": float(len(made))}
            say(f"building {kind:9} {count:>9,} points -> {len(made):>6,} cells: {seconds:.1f} s")
    return found


def cambridge(photos: Path, out: Path) -> Path:
    """The street photos as a dataset of geotune, held out by blocks of 50 m."""
    words = ["data", "import", str(photos / "labels.csv"), str(out), "--split", "block", "--block", "50m"]
    subprocess.run([sys.executable, "-m", "geotune", *words], check=True, stdout=subprocess.DEVNULL)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    parser.add_argument("--photos", type=Path, metavar="FOLDER", help="folder of street photos with a labels.csv")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--points", type=int, nargs="*", default=[10_000, 1_000_000, 5_000_000],
                        help="points to build cells of")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="few photos, one seed, two epochs: does it run?")
    options = parser.parse_args()
    quick = options.quick
    recipe, seeds, points = (QUICK, 1, [2000]) if quick else (RECIPE, options.seeds, options.points)
    with tempfile.TemporaryDirectory(prefix="geotune-bench-") as temporary:
        folder = Path(temporary)
        os.environ["GEOTUNE_CACHE"] = str(folder / "cache")
        size = 32 if quick else PX["demo"]
        few = {"photos": 160, "size": 32} if quick else {}
        data = {f"demo-{by}": build_demo(folder / by, by=by, **few) for by in ("place", "block")[quick:]}  # type: ignore[arg-type]
        found: dict[str, Any] = {}
        for name, path in data.items():
            found |= heads(name, path, {**recipe, "input.sizes": size}, seeds, folder)
        if options.photos:
            street = cambridge(options.photos, folder / "street")
            found |= heads(
                "cambridge", street, {**recipe, "input.sizes": 32 if quick else PX["cambridge"]}, seeds, folder
            )
        found["borders"] = borders(data["demo-block"], {**recipe, "input.sizes": size}, seeds, folder)
        found["times"] = times(points, 10_000)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
