"""One driver of the bench of scale, in a process of its own; it prints what it measured as JSON.

python scripts/bench/scale_driver.py fill RUNS TRIALS ISSUES     makes a run folder, and fills it
python scripts/bench/scale_driver.py drive RUN WORKERS           goes on with it to its end
"""

import json
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import filled

from geotune.record.folder import RunFolder
from geotune.record.public import shown
from geotune.record.record import Record
from geotune.record.trial import Assignment, Decision
from geotune.search.executors.simulated import Simulated
from geotune.search.machine import Shape
from geotune.track.cursor import Cursor
from geotune.track.mlflow import store_uri
from geotune.track.sender import Sender


class Timed(Record):
    """A record that times its answers."""

    def __init__(self, run: RunFolder, simulated: Simulated) -> None:
        began = time.perf_counter()
        super().__init__(run, now=simulated.now, background=False)
        self.opening_seconds = time.perf_counter() - began
        self.issue_seconds: list[float] = []
        """Of each issue, the proposal that is made within it among them."""
        self.proposal_seconds: list[float] = []
        """Of the proposal that each issue gave."""
        self.report_seconds: list[float] = []

    def issue(self) -> Assignment | None:
        began = time.perf_counter()
        found = super().issue()
        if found is not None:
            self.issue_seconds.append(time.perf_counter() - began)
            self.proposal_seconds.append(self.proposed.seconds)
        return found

    def report(self, number: int, attempt: int, epoch: int, metrics: Mapping[str, float]) -> Decision:
        began = time.perf_counter()
        decision = super().report(number, attempt, epoch, metrics)
        self.report_seconds.append(time.perf_counter() - began)
        return decision


def fill(runs: Path, trials: int, issues: int) -> dict[str, object]:
    """A run with `trials` ended trials and `issues` to come, all that there is of it in MLflow already."""
    run = filled.new_run(runs, trials, trials + issues)
    Sender(run.path).sync()  # makes the store, and the search in it
    began = time.perf_counter()
    filled.fill(run, trials)
    cursor = Cursor(run.path / "track.json", shown(store_uri(runs)))
    cursor.closed.update(range(trials))
    cursor.save()
    return {"run": str(run.path), "seconds": time.perf_counter() - began}


def drive(run: RunFolder, workers: int) -> dict[str, float]:
    """Open a run and go on with it to its end, in simulated time, while the sender works in real time.

    A slot waits for what the driver does within `issue`, without the proposal that it makes there for the next trial,
    which in a search is made in the background; and for its own proposal, where that is not ready yet.
    """
    sender = Sender(run.path)
    sender.start()
    simulated = Simulated(filled.made, workers, start_seconds=3.0, began=time.time())
    record = Timed(run, simulated)
    simulated.run(record, Shape(1, 0))
    record.close()
    sender.close(60)
    made_within = [*record.proposal_seconds[1:], 0.0]
    made_within[0] += record.proposal_seconds[0]  # nobody had made it ahead
    pairs = zip(record.issue_seconds, made_within, simulated.waits, strict=True)
    waits_ms = [1000 * (issue - within + wait) for issue, within, wait in pairs]
    return {
        "suggest_p95_ms": statistics.quantiles(waits_ms, n=20)[-1],
        "suggest_median_ms": statistics.median(waits_ms),
        "proposal_ms": 1000 * statistics.median(record.proposal_seconds),
        "resume_s": record.opening_seconds + record.issue_seconds[0],
        "reports_a_second": len(record.report_seconds) / sum(record.report_seconds),
        "issues": len(waits_ms),
        "reports": len(record.report_seconds),
    }


if __name__ == "__main__":
    word, folder, *numbers = sys.argv[1:]
    if word == "fill":
        print(json.dumps(fill(Path(folder), *map(int, numbers))))
    else:
        print(json.dumps(drive(RunFolder.open(Path(folder)), *map(int, numbers))))
