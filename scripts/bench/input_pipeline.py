"""From shards to normalised float32 batches: CPU time a photo, the textbook path beside geotune's, in one run.

    python scripts/bench/input_pipeline.py [--json FILE] [--rounds 5] [--quick]

Both paths take turns in every round; a ratio is the textbook's CPU time by geotune's, its median and range over the
rounds. Batches of 32; both end in a float32 tensor, normalised. The photos are made by the script.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import cv2
import photos
import targets
from measure import command, machine_name
from sides import Bench, say

from geotune.data.augment import POLICIES
from geotune.model.settings import InputSettings

TARGETS = {
    "px224": 4.0, "px96": 8.0, "four_trials": 4.0, "fused224": 8.0, "fused96": 25.0, "phone": 4.5, "first_epoch": 1.0,
    "pss_growth": 1.05,
}  # fmt: skip
AT_MOST = ("first_epoch", "pss_growth")
WHAT = {
    "px224": "500x375 photos to 224 px, cached",
    "px96": "500x375 photos to 96 px, cached",
    "four_trials": "four trials at once, 224 px, all their CPU time",
    "fused224": "224 px with input.fused=true",
    "fused96": "96 px with input.fused=true",
    "phone": "12-megapixel photos to 256 px, nothing cached yet",
    "first_epoch": "building the cache and the first epoch / the textbook's, 224 px",
    "pss_growth": "memory of the cache with four processes / with one",
}


def imported(folder: Path, count: int) -> dict[str, float]:
    """`geotune data import` of small records: photos a second and core, peak memory."""
    photos.write_small(folder / "small", count)
    words = [sys.executable, "-m", "geotune", "data", "import", str(folder / "small"), str(folder / "imported")]
    used = command(words, dict(os.environ))
    return {"photos": count, "photos_per_core_second": count / used.cpu_seconds, "peak_mb": used.peak_mb}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    parser.add_argument("--rounds", type=int, default=5, help="how often every figure is taken (5)")
    parser.add_argument("--quick", action="store_true", help="few photos, one round: does it run?")
    parser.add_argument("--small", type=int, metavar="N", help="small records to import (100000); 0: none")
    default = InputSettings().augment
    parser.add_argument("--policy", default=default, choices=[p for p in POLICIES if p != "none"],
                        help=f"augmentation of both paths ({default}, the default of input.augment)")  # fmt: skip
    options = parser.parse_args()
    cv2.setNumThreads(0)
    with tempfile.TemporaryDirectory(prefix="geotune-bench-") as folder:
        rounds = 1 if options.quick else options.rounds
        small = options.small if options.small is not None else 500 if options.quick else 100_000
        found = run(Path(folder), options.policy, rounds, small, quick=options.quick)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


def run(folder: Path, policy: str, rounds: int, small: int, *, quick: bool) -> dict[str, Any]:
    """All figures: the keys of TARGETS as medians, and what they come from."""
    machine = machine_name()
    say(f"{machine}; augmentation {policy} in both paths; ratios of CPU time, textbook / geotune")
    bench = Bench(folder, policy, quick=quick)
    taken: list[dict[str, float]] = []
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        taken.append(bench.round())
    every = {name: [one[name] for one in taken] for name in taken[0]}
    every["pss_growth"] = [bench.pss()]
    steps, policies = bench.steps(), bench.policies()
    found = targets.table(every, TARGETS, AT_MOST, WHAT)
    say("\n  CPU milliseconds a photo, step by step      224 px    96 px")
    for name, by_size in steps.items():
        say(f"  {name:<46} {by_size['224']:>6.3f}   {by_size['96']:>6.3f}")
    say("\n  ratio by policy    px224     px96  fused224  fused96")
    for name, ratios in policies.items():
        say(f"  {name:<14}" + "".join(f"{ratios[key]:>9.1f}" for key in ("px224", "px96", "fused224", "fused96")))
    records: dict[str, float] = {}
    if small:
        records = imported(folder, small)
        speed, peak = records["photos_per_core_second"], records["peak_mb"]
        say(f"\n  import of {small:,} small records: {speed:,.0f} photos a second and core, {peak:,.0f} MB at the most")
    about = {"machine": machine, "policy": policy, "rounds": rounds, "quick": quick}
    return {**found, "about": about, "every": every, "steps": steps, "policies": policies, "import": records}


if __name__ == "__main__":
    main()
