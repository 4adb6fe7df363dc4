"""A search with many trials: how long a free slot waits, what the driver holds, how fast it is resumed.

    python scripts/bench/scale.py [--json FILE] [--quick]

Run folders are filled with 100, 1,000 and 10,000 ended trials of 20 epochs, and searches go on with them by the
simulated executor: real record, study, proposals (TPE), stopping (ASHA) and sender to MLflow; only the trainings are
made up, and take no time. Each driver is a process of its own. Time that a free slot waits for its trial: 95th
percentile over 200 issues to 8 slots.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import targets
from measure import command, machine_name

TARGETS = {"suggest_p95_ms": 50.0, "driver_mb": 1500.0, "resume_s": 10.0}
WHAT = {
    "suggest_p95_ms": "milliseconds that a free slot waits, p95, the largest of all sizes",
    "driver_mb": "most memory of a driver",
    "resume_s": "seconds to the first trial of the largest, when it is opened again; imports aside",
}
DRIVER = Path(__file__).with_name("scale_driver.py")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 10_000], metavar="N", help="ended trials")
    parser.add_argument("--issues", type=int, default=200, metavar="N", help="trials that slots wait for (200)")
    parser.add_argument("--slots", type=int, default=8, metavar="N", help="trials at once (8)")
    parser.add_argument("--quick", action="store_true", help="20 ended trials, 10 issues: does it run?")
    options = parser.parse_args()
    sizes, issues = ([20], 10) if options.quick else (options.sizes, options.issues)
    print(f"{machine_name()}; {issues} issues to {options.slots} slots", flush=True)
    with tempfile.TemporaryDirectory(prefix="geotune-bench-") as folder:
        every = {size: measured(Path(folder), size, issues, options.slots) for size in sizes}
    found = {
        "suggest_p95_ms": max(one["suggest_p95_ms"] for one in every.values()),
        "driver_mb": max(one["driver_mb"] for one in every.values()),
        "resume_s": every[max(sizes)]["resume_s"],
    }
    targets.table({name: [value] for name, value in found.items()}, TARGETS, tuple(TARGETS), WHAT)
    if options.json:
        about = {"machine": machine_name(), "issues": issues, "slots": options.slots, "quick": options.quick}
        reports = min(one["reports_a_second"] for one in every.values())
        told = {**found, "reports_a_second": reports, "about": about, "every": every}
        options.json.write_text(json.dumps(told, indent=2) + "\n")


def measured(folder: Path, size: int, issues: int, slots: int) -> dict[str, float]:
    """The figures of one driver that goes on with so many ended trials."""
    filled, _ = driver("fill", folder, size, issues)
    found, peak_mb = driver("drive", Path(filled["run"]), slots)
    found["driver_mb"] = peak_mb
    print(
        f"  {size:>6,} trials: a slot waits {found['suggest_median_ms']:.0f} ms, p95 {found['suggest_p95_ms']:.0f} ms"
        f" (a proposal takes {found['proposal_ms']:.0f} ms); {found['reports_a_second']:,.0f} reports a second;"
        f" resumed in {found['resume_s']:.1f} s; {peak_mb:,.0f} MB; filled in {filled['seconds']:.0f} s",
        flush=True,
    )
    return found


def driver(word: str, folder: Path, *numbers: int) -> tuple[dict[str, Any], float]:
    """What a process of its own prints, and the most memory that it held in MB."""
    done = command([sys.executable, str(DRIVER), word, str(folder), *map(str, numbers)], dict(os.environ))
    return json.loads(done.output.strip().splitlines()[-1]), done.peak_mb


if __name__ == "__main__":
    main()
