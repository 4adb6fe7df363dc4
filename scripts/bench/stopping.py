"""Which stopping rule finds the better settings: made-up learning curves of slow and fast starters, few trials.

    python scripts/bench/stopping.py [--json FILE] [--seeds 8] [--trials 16 64] [--quick]

A search of so many trials without early stopping is the measure (random proposals, so that all rules see the same
trials). Each rule then has the same trials, and after that the same time and as many trials as it likes. Told is by how
much the settings that it chose end worse (+) or better (-) when they are trained to the end: the mean over the seeds,
in metres, and its standard error. Everything is simulated: the record decides, two workers train nothing.
"""

import argparse
import json
import math
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import starters

from geotune.record.folder import RunFolder
from geotune.record.plan import Plan
from geotune.record.record import Record
from geotune.record.space import Space
from geotune.record.space_file import BudgetSettings
from geotune.search.budget import Clock
from geotune.search.executors.simulated import Simulated
from geotune.search.machine import Shape

NONE = {"rule": "none"}
RULES: dict[str, dict[str, Any]] = {
    "none": NONE,
    "the default": {},
    "far: 0": {"far": 0},
    "rungs_by: model.backbone": {"rungs_by": "model.backbone"},
    "grace: 2, factor: 3": {"grace": 2, "factor": 3},
    "median": {"rule": "median"},
    "hyperband": {"rule": "hyperband", "grace": 2, "factor": 3},
}
DATA = {"path": "data/made", "extent": "region", "fingerprint": "made", "photos": {"train": 2000, "valid": 400}}
WORKERS, START_SECONDS = 2, 3.0


@dataclass(frozen=True)
class Found:
    """What one search came to."""

    error: float
    """Metres that the chosen settings end at."""
    seconds: float
    trials: int


def search(folder: Path, family: str, stopping: dict[str, Any], seed: int, trials: int, seconds: float = 0.0) -> Found:
    """One simulated search of so many trials, or of so many seconds."""
    run = RunFolder.create(folder, "made")
    words = {f"stopping.{key}": value for key, value in stopping.items()} | {"trials": trials, "seed": seed}
    Plan.make(words, Space.parse("made", starters.SPACE, {}), starters.SPACE, {}, DATA).write(run)
    curves = starters.family(family)
    simulated = Simulated(curves, WORKERS, START_SECONDS, proposal_seconds=0.0)
    record = Record(run, now=simulated.now, background=False)
    if seconds:
        clock = Clock(BudgetSettings(time=f"{math.ceil(seconds)}s"), now=simulated.now, longest_tick=math.inf)
        record.allowance.too_late = clock.too_late
    simulated.run(record, Shape(1, 0))
    best = record.best()
    assert best is not None
    found = Found(starters.end(family, record.plan.config(best.drawn)), simulated.now(), len(record.trials()))
    record.close()
    return found


def compared(folder: Path, family: str, trials: int, seeds: int, rules: Sequence[str]) -> dict[str, dict[str, float]]:
    """By rule: how much worse its choice is than without early stopping, and at what cost."""
    plain = [search(folder, family, NONE, seed, trials) for seed in range(seeds)]
    told = f"{family}, {trials} trials: {statistics.mean(one.error for one in plain):.1f} m without stopping"
    print(f"\n{told}\n  {'':<26} same trials             time   same time              trials", flush=True)
    found = {}
    for rule in rules:
        same = [search(folder, family, RULES[rule], seed, trials) for seed in range(seeds)]
        timed = [search(folder, family, RULES[rule], seed, 20 * trials, plain[seed].seconds) for seed in range(seeds)]
        worse, error = _mean([one.error - other.error for one, other in zip(same, plain, strict=True)])
        worse_timed, error_timed = _mean([one.error - other.error for one, other in zip(timed, plain, strict=True)])
        found[rule] = one = {
            "same_trials_m": worse, "same_trials_error_m": error,
            "time": statistics.mean(one.seconds / other.seconds for one, other in zip(same, plain, strict=True)),
            "same_time_m": worse_timed, "same_time_error_m": error_timed,
            "same_time_trials": statistics.mean(one.trials for one in timed),
        }  # fmt: skip
        print(
            f"  {rule:<26} {worse:+6.2f} m +- {error:4.2f}     {one['time']:8.2f}   {worse_timed:+6.2f} m +- "
            f"{error_timed:4.2f}    {one['same_time_trials']:8.0f}",
            flush=True,
        )
    return found


def _mean(values: list[float]) -> tuple[float, float]:
    """The mean and its standard error."""
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return statistics.mean(values), spread / math.sqrt(len(values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    parser.add_argument("--seeds", type=int, default=8, metavar="N", help="searches of each kind (8)")
    parser.add_argument("--trials", type=int, nargs="+", default=[16, 64], metavar="N", help="trials of a search")
    parser.add_argument("--families", nargs="+", default=list(starters.FAMILIES), choices=starters.FAMILIES)
    parser.add_argument("--rules", nargs="+", default=list(RULES), choices=RULES)
    parser.add_argument("--quick", action="store_true", help="6 trials, one seed, one family: does it run?")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.trials, options.families = 1, [6], list(starters.FAMILIES)[:1]
    found = {}
    with tempfile.TemporaryDirectory(prefix="geotune-bench-") as folder:
        for family in options.families:
            for trials in options.trials:
                cell = compared(Path(folder), family, trials, options.seeds, options.rules)
                found[f"{family}/{trials}"] = cell
    if options.json:
        options.json.write_text(json.dumps({"seeds": options.seeds, "found": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
