"""The runs in a folder: what each has come to and cost, told from a few small files; and how one is removed."""

import mmap
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from geotune.config.written import load_written
from geotune.errors import GeotuneError
from geotune.record.driver import is_running, kept_from_running, lock_of
from geotune.record.folder import RunFolder, read_json

State = Literal["running", "interrupted", "ended", "tested"]
ENDED = b'"geotune:ended":'
"""Where the journal says that a search ended although trials were left (geotune.record.study), followed by why."""


@dataclass(frozen=True)
class Summary:
    """One run."""

    run: RunFolder
    state: State
    """running: a driver is at work; interrupted: there is more to do; ended: all but the full training; tested: all."""
    ended: int
    """Trials that have ended."""
    most_trials: int | None
    best: tuple[str, float] | None
    """The goal's metric, and what the best trial has reached of it so far."""
    test: dict[str, Any]
    """final.json; empty until the test is done."""
    seconds: float | None
    """Wall-clock time that it cost; None where that was not written."""
    gpu_hours: float | None
    size_bytes: int
    changed: float
    """Unix seconds when something was last written."""


def runs_in(folder: Path) -> list[RunFolder]:
    """The runs of a folder, by name, numbers as numbers; links to folders are no runs of it."""
    found = [path.parent for path in folder.glob("*/search.yaml") if not path.parent.is_symlink()]
    return [RunFolder(path.resolve()) for path in sorted(found, key=lambda path: _natural(path.name))]


def summary_of(run: RunFolder) -> Summary:
    """What a run has come to; GeotuneError where its search.yaml cannot be read."""
    most = most_trials(run, load_written(run.search_yaml))
    ended = sum(folder.outcome.is_file() for folder in run.trials())
    spend, test = read_json(run.spend_json), read_json(run.final_json)
    files = (run.search_yaml, run.journal, run.spend_json, run.final_json, run.report)
    return Summary(
        run=run,
        state=state_of(run, ended, most),
        ended=ended,
        most_trials=most,
        best=_best(run),
        test=test,
        seconds=spend.get("seconds"),
        gpu_hours=spend.get("gpu_hours"),
        size_bytes=size_of(run.path),
        changed=max(path.stat().st_mtime for path in files if path.is_file()),
    )


def state_of(run: RunFolder, ended: int, most: int | None) -> State:
    """How far a run is, of which so many trials have ended."""
    if is_running(run):
        return "running"
    if run.final_json.is_file():
        return "tested"
    return "ended" if (most is not None and ended >= most) or _said_to_end(run) else "interrupted"


def most_trials(run: RunFolder, asked: dict[str, Any]) -> int | None:
    """Trials at the most, as search.yaml has it or `geotune budget` changed it; None where it is not known."""
    changed = load_written(run.budget_yaml) if run.budget_yaml.is_file() else {}
    found = changed.get("trials", asked.get("trials", asked.get("settings", {}).get("trials")))
    return found if isinstance(found, int) else None


def remove(run: RunFolder) -> None:
    """Delete a run with all that is in it. Links in it are deleted, what they point to is not.

    Raises GeotuneError where a search runs there, and where something cannot be deleted. What makes the folder a run
    goes last: one that was half removed can be removed again.
    """
    last = (run.search_yaml, Path(lock_of(run.journal).lock_file))
    try:
        with kept_from_running(run):
            for path in run.path.iterdir():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                elif path not in last:
                    path.unlink()
        for path in last:
            path.unlink(missing_ok=True)
        run.path.rmdir()
    except OSError as error:
        raise GeotuneError(f"{error.filename}: cannot be deleted ({error.strerror})") from None


def _best(run: RunFolder) -> tuple[str, float] | None:
    """From the first line of best.yaml: `# Trial 17 of img2gps-1: valid/median_m 57.4`."""
    try:
        with run.best_yaml.open(encoding="utf-8") as file:
            metric, value = file.readline().split()[-2:]
        return metric, float(value)
    except (OSError, ValueError):
        return None


def _said_to_end(run: RunFolder) -> bool:
    """Whether the journal's last word on it is that the search has ended."""
    try:
        with run.journal.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            at = text.rfind(ENDED)
            return at >= 0 and not re.match(rb'\s*(""|null)', text[at + len(ENDED) : at + len(ENDED) + 8])
    except (OSError, ValueError):  # none yet, or empty
        return False


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder; links count as links, and what vanishes meanwhile not at all."""
    return sum(_sizes(folder))


def _sizes(folder: Path) -> Iterator[int]:
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                yield (Path(parent) / name).lstat().st_size
            except OSError:
                continue


def _natural(name: str) -> list[tuple[int, str]]:
    """`img2gps-10` comes after `img2gps-9`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
