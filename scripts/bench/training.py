"""What training takes beside what it need not: ratios on two cores, both sides taking turns in one run.

    python scripts/bench/training.py [--json FILE] [--rounds 5] [--quick]

Every figure is the median and range of the ratio over the rounds; the first epoch of each training is not counted. The
photos are made by the script, the weights are random: neither changes the time of a step. The share of the time that
steps wait for data is that of the demo (features of its frozen backbone; photos with three stages frozen).
"""

import argparse
import json
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import cv2
import photos
import targets
import trainings
from measure import machine_name, together

from geotune.data.demo import build_demo
from geotune.errors import GeotuneError

TARGETS = {"frozen_reuse": 50.0, "step_overhead": 1.05, "micro_batch": 1.03, "two_trials": 0.95}
AT_MOST = ("step_overhead", "micro_batch")
TIMES = {"step_overhead": 4}
"""How much oftener than the others a figure is taken: single rounds of this one range from 0.8 to 1.4."""
WHAT = {
    "frozen_reuse": "CPU seconds an epoch, frozen tf_efficientnet_lite0 at 128 px: photos anew / features reused",
    "step_overhead": "steps of resnet18 at 224 px: loop with augmented photos / bare loop on tensors in memory",
    "micro_batch": "resnet18 at 64 px, time a photo: 1024 as 16x64 / plain 64",
    "two_trials": "resnet18 at 64 px, photos a second: two trials with a core each / one with two",
}
FROZEN = {
    "model.backbone": "tf_efficientnet_lite0",
    "model.frozen_layers": 5,
    "model.features": "stages",
    "model.head.name": "cells",
    "model.head.hidden": 256,
    "input.sizes": 128,
}
STEP = {"model.backbone": "resnet18", "input.sizes": 224, "input.fraction": 0.125, "train.norm_batch": 64}
"""norm_batch: BatchNorm sees the whole batch, as in the bare loop; with the default of 32 it is another model."""
SMALL = {"model.backbone": "resnet18", "input.sizes": 64}
DEMO = {
    "features": FROZEN | {"input.sizes": 96, "input.fraction": 0.25},
    "photos": FROZEN | {"input.sizes": 96, "model.frozen_layers": 3},
}
QUICK = {"model.backbone": "test_resnet", "input.sizes": 32}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    parser.add_argument("--rounds", type=int, default=5, help="how often every ratio is taken (5)")
    parser.add_argument("--quick", action="store_true", help="a tiny model, few photos, one round: does it run?")
    parser.add_argument("--only", choices=TARGETS, help="one figure")
    options = parser.parse_args()
    cv2.setNumThreads(0)  # its threads would not come along into the processes that measure
    with tempfile.TemporaryDirectory(prefix="geotune-bench-") as folder:
        os.environ["GEOTUNE_CACHE"] = str(Path(folder) / "cache")
        rounds = 1 if options.quick else options.rounds
        found = run(Path(folder), rounds, [options.only] if options.only else list(TARGETS), quick=options.quick)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


def run(folder: Path, rounds: int, names: list[str], *, quick: bool) -> dict[str, Any]:
    """The figures' medians by name, and what they come from."""
    machine = machine_name()
    say(f"{machine}; {rounds} rounds")
    tiny = QUICK if quick else {}
    data = made(folder / "street", 64 if quick else 1024)
    setup = trainings.Setup(data, frozen=FROZEN | tiny, step=STEP | tiny, small=SMALL | tiny)
    every: dict[str, list[float]] = {}
    for name in names:
        pairs = trainings.alone(getattr(trainings, name), setup, rounds if quick else rounds * TIMES.get(name, 1))
        every[name] = [one / other for one, other in pairs]
        say(f"  {name}: {', '.join(f'{one:.4g}/{other:.4g}' for one, other in pairs)}")
    found = targets.table(every, TARGETS, AT_MOST, WHAT)
    shares = waiting(folder, tiny, quick=quick) if len(names) == len(TARGETS) else {}
    for name, share in shares.items():
        say(f"  waiting for data on the demo, {name}: {100 * share:.1f} % of the training time")
    about = {"machine": machine, "rounds": rounds, "quick": quick}
    return {**found, "waiting": shares, "about": about, "every": every}


def made(folder: Path, count: int) -> Path:
    """A dataset of street-like photos of 500x375 px."""
    folder.mkdir()
    say(f"making {count} photos of 500x375 px")
    return photos.write(folder, list(photos.pictures(count, 500, 375)))[0]


def waiting(folder: Path, tiny: dict[str, Any], *, quick: bool) -> dict[str, float]:
    """Share of the training time, by what passes; nothing where the demo's package is not installed."""
    try:
        demo = build_demo(folder / "demo", **({"photos": 120} if quick else {}))  # type: ignore[arg-type]
    except GeotuneError as error:
        say(f"  no demo: {error.problem}")
        return {}
    few = {"train.epoch_photos": 32 if quick else 640, "train.valid_photos": 64}
    works = {name: partial(trainings.waiting, demo, changes | tiny | few) for name, changes in DEMO.items()}
    return {name: together([work])[0] for name, work in works.items()}


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
