"""From shards to normalised float32 batches: CPU time a photo, the textbook path beside geotune's, in one run.

    python scripts/bench/input_pipeline.py [--json FILE] [--rounds 5] [--quick]

Both paths take turns in every round; a ratio is the textbook's CPU time by geotune's, its median and range over the
rounds. Batches of 32; both end in a float32 tensor, normalised. The photos are made by the script.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import cv2
import ours
import photos
import rival
from measure import cache_pss, command, cpu_ms

from geotune.data.augment import POLICIES, Augmentation
from geotune.model.settings import InputSettings

BATCH = 32
WORKERS = 2
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


class Bench:
    """The photos in a temporary folder, and the two paths over them as works of `measure`."""

    def __init__(self, folder: Path, policy: str, *, quick: bool) -> None:
        self.folder = folder
        self.light = Augmentation.of(policy)
        self.fused = Augmentation.of(policy, fused=True)
        self.caches = 0
        count, phones = (24, 1) if quick else (512, 8)
        say(f"making {count} photos of 500x375 px and {phones} of 12 megapixels")
        jpegs = list(photos.pictures(count, 500, 375))
        phone = list(photos.pictures(phones, *((1008, 756) if quick else (4032, 3024)), sensor=9, seed=1)) * 4
        self.first, _ = photos.write(made(folder / "first"), jpegs[:8])
        self.dataset, self.plain = photos.write(made(folder / "street"), jpegs)
        self.phones, self.plain_phones = photos.write(made(folder / "phone"), phone)
        sizes = [statistics.mean(map(len, found)) / 1000 for found in (jpegs, phone)]
        say(f"  {sizes[0]:.0f} KB and {sizes[1] / 1000:.1f} MB each on average")
        self.use_cache("shared")
        for size in (224, 96):
            cpu_ms(partial(ours.copied, self.dataset, size, BATCH))

    def use_cache(self, name: str) -> None:
        os.environ["GEOTUNE_CACHE"] = str(self.folder / name)

    def theirs(self, size: int, augmentation: Augmentation | None = None, *, at_once: int = 1) -> float:
        work = partial(rival.epoch, self.plain, augmentation or self.light, size, BATCH, WORKERS)
        return cpu_ms(work, at_once=at_once)

    def ours(self, size: int, augmentation: Augmentation | None = None, *, at_once: int = 1) -> float:
        work = partial(ours.epoch, self.dataset, augmentation or self.light, size, BATCH)
        return cpu_ms(work, first=partial(work, 1), at_once=at_once)

    def anew(self, dataset: Path, size: int) -> float:
        """An epoch on an empty cache; the first photos of the process, which are others, are not counted."""
        self.caches += 1
        self.use_cache(f"fresh-{self.caches}")
        try:
            first = partial(ours.epoch, self.first, self.light, size, BATCH)
            return cpu_ms(partial(ours.epoch, dataset, self.light, size, BATCH), first=first)
        finally:
            self.use_cache("shared")

    def pss(self) -> float:
        work = partial(ours.seen, self.dataset, self.light, 224, BATCH)
        files = sorted((self.folder / "shared").glob("photos/*-224-*/pixels*"))
        one, four = (cache_pss(work, str(files[0]), processes) for processes in (1, 4))
        say(f"  cache of 224 px: {one:.1f} MB with one process, {four:.1f} MB with four")
        return four / one

    def round(self) -> dict[str, float]:
        """One figure for every key but pss_growth, and the milliseconds that they come from."""
        at224, at96 = self.theirs(224), self.theirs(96)
        ms = {
            "textbook 224": at224, "geotune 224": self.ours(224), "fused 224": self.ours(224, self.fused),
            "textbook 96": at96, "geotune 96": self.ours(96), "fused 96": self.ours(96, self.fused),
            "textbook four": self.theirs(224, at_once=4), "geotune four": self.ours(224, at_once=4),
            "geotune first": self.anew(self.dataset, 224),
            "textbook phone": cpu_ms(partial(rival.epoch, self.plain_phones, self.light, 256, BATCH, WORKERS, 256)),
            "geotune phone": self.anew(self.phones, 256),
        }  # fmt: skip
        return ms | {
            "px224": at224 / ms["geotune 224"],
            "px96": at96 / ms["geotune 96"],
            "four_trials": ms["textbook four"] / ms["geotune four"],
            "fused224": at224 / ms["fused 224"],
            "fused96": at96 / ms["fused 96"],
            "phone": ms["textbook phone"] / ms["geotune phone"],
            "first_epoch": ms["geotune first"] / at224,
        }

    def steps(self) -> dict[str, dict[str, float]]:
        """Milliseconds a photo after each step, by photo size: the median of three."""
        dataset = self.dataset
        rows: dict[str, Callable[[int], float]] = {
            f"the textbook, {WORKERS} worker processes": self.theirs,
            "the same in one process": lambda px: cpu_ms(partial(rival.epoch, self.plain, self.light, px, BATCH, 0)),
            "+ squares from the cache, no JPEG": lambda px: cpu_ms(
                partial(ours.float_photos, dataset, self.light, px, BATCH)
            ),
            "+ bytes until the whole batch is normalised": lambda px: cpu_ms(
                partial(ours.composed, dataset, self.light, px, BATCH)
            ),
            "+ albumentations without its Compose: geotune": self.ours,
            "+ one warp, one matrix, one table: input.fused": lambda px: self.ours(px, self.fused),
            "copy and normalise only: the limit": lambda px: cpu_ms(
                partial(ours.copied, dataset, px, BATCH), first=partial(ours.copied, dataset, px, BATCH)
            ),
        }
        return {
            name: {str(px): statistics.median(measured(px) for _ in range(3)) for px in (224, 96)}
            for name, measured in rows.items()
        }

    def policies(self) -> dict[str, dict[str, float]]:
        """Ratios for every policy that changes anything, in one round each."""
        found: dict[str, dict[str, float]] = {}
        for policy in [name for name in POLICIES if name != "none"]:
            plain, fused = Augmentation.of(policy), Augmentation.of(policy, fused=True)
            theirs = {px: self.theirs(px, plain) for px in (224, 96)}
            found[policy] = {f"px{px}": theirs[px] / self.ours(px, plain) for px in theirs}
            found[policy] |= {f"fused{px}": theirs[px] / self.ours(px, fused) for px in theirs}
        return found


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
    machine = f"{cpu_name()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    say(f"{machine}; augmentation {policy} in both paths; ratios of CPU time, textbook / geotune")
    bench = Bench(folder, policy, quick=quick)
    taken: list[dict[str, float]] = []
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        taken.append(bench.round())
    every = {name: [one[name] for one in taken] for name in taken[0]}
    every["pss_growth"] = [bench.pss()]
    steps, policies = bench.steps(), bench.policies()
    found = {key: statistics.median(every[key]) for key in TARGETS}

    say("\n  figure        median   range           target")
    for key, target in TARGETS.items():
        met = found[key] <= target if key in AT_MOST else found[key] >= target
        wanted = f"{'<=' if key in AT_MOST else '>='} {target:g}{'' if met else '  MISSED'}"
        values = every[key]
        say(f"  {key:<12} {found[key]:>7.2f}   {min(values):>5.2f} to {max(values):<5.2f}  {wanted:<16} {WHAT[key]}")
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


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.machine())


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
