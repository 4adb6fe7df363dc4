"""What a search costs beside its trainings: geotune against a plain Ray Tune script, on two cores.

    python scripts/bench/overhead.py [--json FILE] [--rounds 1] [--trials 40] [--quick] [--only wall|busy]

`wall` has both run the same number of tiny trials, from the start of the process to its end. `busy` takes trials of
10 s and more: the seconds of their steps (validation, checkpoints and a trial's start do not count as training) by the
seconds of all slots, from when Ray is up to the last trial's end, the first imports of the workers included.
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

import photos
import targets
from measure import machine_name
from searches import SLOTS

TARGETS = {"wall": 1.8, "busy": 0.9}
WHAT = {
    "wall": "seconds of as many tiny trials: plain Ray Tune script / geotune",
    "busy": "trials of 10 s and more: seconds of their steps / seconds of all slots",
}
TINY = {
    "device": "cpu",
    "model.backbone": "test_resnet.r160_in1k",
    "model.weights": "none",
    "model.frozen_layers": 5,
    "input.sizes": [32],
    "input.views": 1,
    "train.epochs": 3,
    "train.batch_size": 32,
}
LONG = TINY | {"model.frozen_layers": 0, "input.sizes": [96], "train.epochs": 4, "train.epoch_photos": 768}
"""13 s on one core of 2026."""
QUICK = LONG | {"train.epoch_photos": 64}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    parser.add_argument("--rounds", type=int, default=1, help="how often every figure is taken (1)")
    parser.add_argument("--trials", type=int, default=40, help="trials of each search (40)")
    parser.add_argument("--quick", action="store_true", help="two trials, short ones: does it run?")
    parser.add_argument("--only", choices=TARGETS, help="one figure")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:SLOTS])
    trials, rounds = (2, 1) if options.quick else (options.trials, options.rounds)
    names = [options.only] if options.only else list(TARGETS)
    machine = machine_name()
    print(f"{machine}; {trials} trials, {SLOTS} at once, {rounds} rounds", flush=True)
    with tempfile.TemporaryDirectory(prefix="geotune-bench-") as folder:
        found = run(Path(folder), rounds, trials, names, quick=options.quick)
    if options.json:
        about = {"machine": machine, "rounds": rounds, "trials": trials, "quick": options.quick}
        options.json.write_text(json.dumps(found | {"about": about}, indent=2) + "\n")


def run(folder: Path, rounds: int, trials: int, names: list[str], *, quick: bool) -> dict[str, Any]:
    """The figures' medians by name, and what every search told."""
    os.environ["GEOTUNE_CACHE"] = str(folder / "cache")
    data = folder / "photos"
    data.mkdir()
    photos.write(data, list(photos.pictures(64, 500, 375)))
    every: dict[str, list[float]] = {name: [] for name in names}
    told: list[dict[str, Any]] = []

    def search(side: str, fixed: dict[str, Any], count: int) -> dict[str, Any]:
        done = _search(side, folder / f"search-{len(told)}", data / "dataset", fixed, count)
        told.append({"side": side} | done)
        print(f"  {json.dumps(told[-1])}", flush=True)
        return done

    tiny, long = (QUICK, QUICK) if quick else (TINY, LONG)
    if not quick:
        search("ours", tiny, 1)  # photos are decoded and features computed once for both
    for _ in range(rounds):
        done: dict[str, Any] = {}
        if "wall" in names:
            done = search("ours", tiny, trials)
            every["wall"].append(search("rival", tiny, trials)["process"] / done["process"])
        if "busy" in names:
            done = (quick and done) or search("ours", long, trials)
            every["busy"].append(done["inside"] / (SLOTS * done["seconds"]))
            print(f"  {done['inside'] / trials:.1f} s of steps a trial", flush=True)
    return {**targets.table(every, TARGETS, (), WHAT), "every": every, "searches": told}


def _search(side: str, folder: Path, data: Path, fixed: dict[str, Any], trials: int) -> dict[str, Any]:
    """What `searches.py` tells of one search, and the seconds of its process."""
    folder.mkdir()
    asked = {"data": str(data), "folder": str(folder), "trials": trials, "fixed": fixed}
    words = [sys.executable, str(Path(__file__).with_name("searches.py")), side, json.dumps(asked)]
    began = time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{side} failed:\n{done.stdout}{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if found["trials"] != trials or found["epochs"] != trials * fixed["train.epochs"]:
        raise SystemExit(f"{side} did other work than asked for: {found}")
    return found | {"process": seconds}


if __name__ == "__main__":
    main()
