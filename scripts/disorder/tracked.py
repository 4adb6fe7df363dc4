"""What stands in MLflow after the kills, beside what the run folder says: read from its SQL store, not by our code."""

import math
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

from geotune.record.folder import RunFolder, TrialFolder

RUNS = """
SELECT trial.value, runs.run_uuid FROM runs
JOIN tags AS trial ON trial.run_uuid = runs.run_uuid AND trial.key = 'geotune.trial'
WHERE runs.lifecycle_stage = 'active'
"""
METRICS = "SELECT key, step, value, is_nan FROM metrics WHERE run_uuid = ?"


def in_mlflow(run: RunFolder, database: Path) -> tuple[list[str], list[str]]:
    """What is missing or wrong there, and what stands there twice."""
    with sqlite3.connect(database) as store:
        runs: list[tuple[str, str]] = store.execute(RUNS).fetchall()
        names = Counter(name for name, _ in runs)
        twice = [f"MLflow: {count} runs of {name}" for name, count in names.items() if count > 1]
        wanted = {str(folder.number): folder for folder in run.trials()}
        wanted |= {name: run.final for name in names if name.startswith("final-")}
        missing = [f"MLflow: no run of trial {name}" for name in wanted if name not in names]
        if "search" not in names or not any(name.startswith("final-") for name in names):
            missing.append("MLflow: no run of the search or of the full training")
        for name, identity in runs:
            if name in wanted:
                found = store.execute(METRICS, (identity,)).fetchall()
                gone, double = _compare(wanted[name], found)
                missing += [f"MLflow: trial {name}: {text}" for text in gone]
                twice += [f"MLflow: trial {name}: {text}" for text in double]
    return missing, twice


def _compare(folder: TrialFolder, found: list[tuple[str, int, float, bool]]) -> tuple[list[str], list[str]]:
    there: dict[tuple[str, int], list[float]] = {}
    for key, step, value, is_nan in found:
        there.setdefault((key, step), []).append(math.nan if is_nan else value)
    wanted: dict[tuple[str, int], Any] = {
        (key, line["epoch"]): value
        for line in folder.epochs()
        for key, value in line["metrics"].items()
        if value is not None
    }
    gone = [
        f"{key} of epoch {step}" for (key, step), value in wanted.items() if value not in there.get((key, step), [])
    ]
    double = [f"{key} of epoch {step} {len(v)} times" for (key, step), v in there.items() if len(v) > 1]
    return gone, double
