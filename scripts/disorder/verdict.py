"""What the kills have done to a search that has ended: what is lost, told twice, redone, or other than undisturbed."""

import json
import math
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import torch

from geotune.config import build, flatten, load_yaml
from geotune.record.folder import RunFolder, TrialFolder, read_json, read_lines
from geotune.train.loop import train
from geotune.train.settings import TrainConfig

STATE_VALUES, INTERMEDIATE = 6, 7
"""Kinds of events in an Optuna journal: a trial's new state, a value of one of its epochs."""
ENDED = (1, 2, 3)
"""Optuna's states: complete, pruned, failed."""
OF_THE_MACHINE = ("train/seconds", "train/photos_per_second", "train/waiting", "train/peak_mb")
"""What no second run has again."""
Told = dict[tuple[str, int], dict[str, Any]]
"""(trial's folder, epoch) -> its metrics, as first told."""


def told(run: RunFolder) -> Told:
    """Every epoch that stands in the run's folder."""
    folders = [*run.trials(), run.final]
    return {(f.path.name, line["epoch"]): line["metrics"] for f in folders for line in f.epochs()}


def lost(run: RunFolder, asked: int, before: Told) -> list[str]:
    """Trials that are not there or did not end in order, and those with epochs that stood there before a kill."""
    problems = [f"trial {number} is missing" for number in range(asked) if not run.trial(number).config.is_file()]
    for folder in run.trials():
        outcome = read_json(folder.outcome)
        if outcome.get("state") not in ("complete", "stopped"):
            problems.append(f"trial {folder.number}: {outcome.get('state')} {outcome.get('reason', '')[-500:]}".strip())
    ended = Counter(event["trial_id"] for event in _ends(run))
    problems += [f"trial {number} has no end in the study" for number in range(asked) if number not in ended]
    now = told(run)
    problems += [f"{name}: epoch {epoch} is gone" for name, epoch in before if (name, epoch) not in now]
    both = before.keys() & now.keys()
    problems += [f"{key[0]}: epoch {key[1]} has other metrics" for key in both if not _same(before[key], now[key])]
    return problems


def duplicated_in_study(run: RunFolder) -> list[str]:
    """Ends and epochs that the study's journal holds twice."""
    ends = Counter(event["trial_id"] for event in _ends(run))
    epochs = Counter((e["trial_id"], e["step"]) for e in read_lines(run.journal) if e["op_code"] == INTERMEDIATE)
    return [f"trial {number} ended twice" for number, count in ends.items() if count > 1] + [
        f"trial {number}: epoch {epoch} was told twice" for (number, epoch), count in epochs.items() if count > 1
    ]


def _ends(run: RunFolder) -> list[dict[str, Any]]:
    return [e for e in read_lines(run.journal) if e["op_code"] == STATE_VALUES and e["state"] in ENDED]


def redone(trace: Path) -> dict[tuple[str, int], int]:
    """(trial's folder, attempt) -> how many epochs it began that an earlier attempt had begun, from the trace."""
    attempts: dict[str, list[list[tuple[float, int]]]] = defaultdict(list)
    current: dict[tuple[str, int], list[tuple[float, int]]] = {}
    for line in sorted(read_lines(trace), key=lambda line: line["time"]):
        name = Path(line["folder"]).name
        if not line["epoch"]:  # a training is made
            current[name, line["pid"]] = []
            attempts[name].append(current[name, line["pid"]])
        else:
            current[name, line["pid"]].append((line["time"], line["epoch"]))
    found = {}
    for name, every in attempts.items():
        for number, begun in enumerate(every):
            if not begun:
                continue
            when, first = begun[0]
            before = [epoch for earlier in every[:number] for time, epoch in earlier if time < when]
            found[name, number] = max(0, max(before, default=0) - first + 1)
    return found


def different(run: RunFolder, work: Path, final_threads: int) -> list[str]:
    """Epochs of trials, and of the full training, whose metrics an undisturbed `train()` of the same config has not.

    As many threads as theirs add up sums in the same order: a trial has one.
    """
    problems = []
    for folder in [*run.trials(), run.final]:
        torch.set_num_threads(final_threads if folder == run.final else 1)
        problems += _different(folder, work / folder.path.name)
    return problems


def _different(folder: TrialFolder, work: Path) -> list[str]:
    config = build(TrainConfig, flatten(load_yaml(folder.config)))
    epochs = folder.epochs()
    if not epochs:
        return []
    problems = []
    undisturbed = train(config, work)
    try:
        for line, epoch in zip(epochs, undisturbed, strict=False):
            ours, theirs = line["metrics"], {k: v if math.isfinite(v) else None for k, v in epoch.metrics.items()}
            if line["epoch"] != epoch.number or not _same(ours, theirs):
                keys = [key for key in ours.keys() | theirs.keys() if not _same_value(key, ours, theirs)]
                problems.append(f"{folder.path.name}: epoch {line['epoch']} differs in {', '.join(sorted(keys))}")
    finally:
        undisturbed.close()
    return problems


def _same(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    return all(_same_value(key, ours, theirs) for key in ours.keys() | theirs.keys())


def _same_value(key: str, ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Equal to the last bit, as JSON keeps it."""
    if key in OF_THE_MACHINE:
        return True
    return key in ours and key in theirs and json.dumps(ours[key]) == json.dumps(theirs[key])
