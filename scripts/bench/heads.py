"""Every head by one recipe, beside the nearest neighbour in frozen features: errors, intervals, seconds an epoch.

    python scripts/bench/heads.py [--photos FOLDER] [--seeds 3] [--json FILE] [--quick]

The recipe: a frozen tf_efficientnet_lite0, its last three stages pooled, one hidden layer of 256, 30 epochs of AdamW.
Datasets: the demo by place and by block of 10°, and the street photos of --photos (a folder with labels.csv), by
blocks of 50 m. Medians and means are of all test photos under all seeds; intervals are 95 % by bootstrap over places,
and a paired test over places says which heads beat the nearest neighbour. Cells within borders stand beside as many
of k-means. The building times at the end are those of cell_times.py.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import cell_times
import numpy as np
from head_trial import NEAREST, Row, Trial, say

from geotune.data.demo import build_demo
from geotune.geo.baselines import mean_place_km, nearest_place_km
from geotune.geo.cells.kinds import build as build_cells
from geotune.geo.cells.statistics import statistics
from geotune.geo.countries import country_codes
from geotune.geo.hits import floor_km
from geotune.geo.paired import paired
from geotune.geo.sphere import Floats
from geotune.geo.stats import bootstrap_interval
from geotune.record.folder import write_atomic
from geotune.train.neighbours import nearest_photo_km

HEADS: dict[str, dict[str, Any]] = {
    "regression": {},
    "cells": {},
    "hierarchical": {"cells": 256},  # levels of 16, 64 and 256: its point is that fine cells are affordable
    "hybrid": {},
    "multitask": {},
    "mixture": {"components": 32},
    "retrieval": {},
}
RECIPE = {
    "model.backbone": "tf_efficientnet_lite0",
    "model.frozen_layers": 5,
    "model.features": "stages",
    "train.epochs": 30,
    "optim.lr": 1e-3,
}
QUICK = {**RECIPE, "model.backbone": "test_resnet", "model.weights": "none", "input.augment": "none", "train.epochs": 2}
PX = {"demo": 96, "street": 192}
BORDER_CELLS = 256


def heads(trial: Trial) -> dict[str, Row]:
    """All heads on one dataset, and the answers of no head beside them."""
    known, test, found = trial.known, trial.test, dict[str, Row]()
    say(f"{trial.name}: {len(known):,} training photos, {len(test):,} test photos of {len(set(test.place)):,} places")
    baseline_km = np.empty(0)
    for head, own in HEADS.items():
        tried = trial.tried({"name": head, **own})
        if not found:  # any head's backbone is the same frozen one
            places = (known.lat, known.lon, test.lat, test.lon)
            nearest_km = nearest_photo_km(tried.bundle, trial.dataset, test, known)
            baseline_km = np.tile(nearest_km, trial.seeds)
            answers = {
                "mean place": mean_place_km(*places), NEAREST: nearest_km, "nearest place": nearest_place_km(*places)
            }  # fmt: skip
            for name, km in answers.items():
                found |= trial.row(name, np.tile(km, trial.seeds), baseline_km)
        medians = [median * trial.per_km for median in tried.seed_medians_km]
        found |= trial.row(head, tried.km, baseline_km, seconds=tried.seconds, seeds=medians)
    return found | borders(trial, baseline_km)


def borders(trial: Trial, baseline_km: Floats) -> dict[str, Row]:
    """Cells within borders and of k-means, as many: error, answers in the right country, cells that cross a border."""
    if trial.dataset.extent == "region":
        return {}
    known, test, found = trial.known, trial.test, dict[str, Row]()
    own = np.tile(country_codes(test.lat, test.lon), trial.seeds)
    inland = own != ""
    errors_km, wrong = [], []
    cells = min(BORDER_CELLS, len(known) // 2)
    for kind in ("kmeans", "borders"):
        tried = trial.tried({"name": "cells", "kind": kind, "cells": cells})
        partition = build_cells(kind, known.lat, known.lon, cells)
        errors_km.append(tried.km)
        wrong.append((country_codes(tried.lat, tried.lon) != own)[inland].astype(float))
        low, high = bootstrap_interval(1 - wrong[-1], trial.place[inland], "mean")
        found |= trial.row(
            f"cells of {kind}", tried.km, baseline_km, seconds=tried.seconds, cells=float(len(partition)),
            crossing=float(statistics(partition, known.lat, known.lon).crossing.sum()),
            floor=float(np.median(floor_km(partition, test.lat, test.lon))) * trial.per_km,
            country=1 - float(wrong[-1].mean()), country_low=low, country_high=high,
        )  # fmt: skip
    told = {
        "errors": paired(errors_km[0], errors_km[1], trial.place),
        "answers in the right country": paired(wrong[0], wrong[1], trial.place[inland], "mean"),
    }
    for what, test_of in told.items():
        say(f"{trial.name}: cells within borders against k-means, {what}: {test_of.verdict} (p {test_of.p_value:.3f})")
    return found


def table(found: Mapping[str, Row], units: Mapping[str, str]) -> str:
    """The README's table: median [interval], mean; bold heads better than the nearest photo by the paired test."""
    lines = [f"| | {' | '.join(f'{name}, {unit}' for name, unit in units.items())} | s an epoch |"]
    lines.append("|---" * (len(units) + 2) + "|")
    for head in dict.fromkeys(key.partition("/")[2] for key in found if "/cells of " not in key):
        rows = [found[f"{name}/{head}"] for name in units]
        cells = []
        for row in rows:
            mark = {"better": "**", "worse": "_"}.get(str(row["verdict"]), "") if head in HEADS else ""
            cells.append(f"{mark}{row['median']:,.0f}{mark} [{row['low']:,.0f}-{row['high']:,.0f}], {row['mean']:,.0f}")
        seconds = " / ".join(f"{row['seconds']:.2f}" for row in rows if "seconds" in row)
        lines.append(f"| {head} | {' | '.join(cells)} | {seconds} |")
    return "\n".join(lines)


def street(photos: Path, out: Path) -> Path:
    """The street photos as a dataset of geotune, held out by blocks of 50 m."""
    words = ["data", "import", str(photos / "labels.csv"), str(out), "--split", "block", "--block", "50m"]
    done = subprocess.run([sys.executable, "-m", "geotune", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too: {dataset/head: {…}}")
    parser.add_argument("--photos", type=Path, metavar="FOLDER", help="folder of street photos with a labels.csv")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--points", type=int, nargs="*", default=list(cell_times.POINTS), metavar="N",
                        help="points to build cells of")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="few photos, one seed, two epochs: does it run?")
    options = parser.parse_args()
    if options.photos and not (options.photos / "labels.csv").is_file():
        parser.error(f"--photos {options.photos}: no folder with a labels.csv")
    quick, started = options.quick, time.perf_counter()
    recipe, seeds, points = (QUICK, 1, [2000]) if quick else (RECIPE, options.seeds, options.points)
    found: dict[str, Row] = {}
    with tempfile.TemporaryDirectory(prefix="geotune-bench-") as temporary:
        folder = Path(temporary)
        os.environ.setdefault("GEOTUNE_CACHE", str(folder / "cache"))
        few: dict[str, Any] = {"photos": 160, "size": 32} if quick else {}
        datasets = {f"demo-{by}": build_demo(folder / by, by=by, **few) for by in ("place", "block")[quick:]}  # type: ignore[arg-type]
        if options.photos:
            datasets[options.photos.resolve().name] = street(options.photos, folder / "street")
        units = {}
        for name, data in datasets.items():
            size = 32 if quick else PX["demo" if name.startswith("demo-") else "street"]
            trial = Trial(name, data, {**recipe, "input.sizes": size}, seeds, folder)
            units[name] = trial.unit
            found |= heads(trial)
            if options.json:  # as far as it is: the whole takes many minutes
                write_atomic(options.json, json.dumps(found, indent=2) + "\n")
    say(f"\n{table(found, units)}\n")
    cell_times.times(points)
    say(f"{(time.perf_counter() - started) / 60:.1f} minutes in all")


if __name__ == "__main__":
    main()
