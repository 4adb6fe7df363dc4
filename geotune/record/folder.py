"""The run folder: where everything that a search knows stands, as plain files."""

import json
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from geotune.errors import GeotuneError
from geotune.train.kept import CHECKPOINTS, PARTIAL, age, drop, kept


@dataclass(frozen=True)
class TrialFolder:
    """`trials/0007/`: the files of one trial."""

    path: Path

    @property
    def number(self) -> int:
        return int(self.path.name)

    @property
    def config(self) -> Path:
        """Every setting of the trial, as `geotune train config=` takes it."""
        return self.path / "config.yaml"

    @property
    def metrics(self) -> Path:
        """One JSON line an epoch: `{"epoch": 3, "time": unix seconds, "metrics": {…}}`; written by the driver."""
        return self.path / "metrics.jsonl"

    @property
    def outcome(self) -> Path:
        """`{"state": complete|stopped|diverged|infeasible|crashed, "value", "time", "reason"}`, once it has ended."""
        return self.path / "outcome.json"

    @property
    def about(self) -> Path:
        """What the run trains: {"model": a sentence, "weights"}."""
        return self.path / "about.json"

    @property
    def progress(self) -> Path:
        """Where the running attempt stands within its epoch; written by the training process."""
        return self.path / "progress.json"

    @property
    def checkpoints(self) -> Path:
        return self.path / CHECKPOINTS

    @property
    def partial(self) -> Path:
        """A checkpoint within an epoch; written by the training process."""
        return self.path / PARTIAL

    def checkpoint(self, attempt: int, epoch: int) -> Path:
        return self.checkpoints / f"{attempt}-{epoch}"

    def epochs(self) -> list[dict[str, Any]]:
        """What `metrics.jsonl` holds, each epoch once, in order."""
        found: dict[int, dict[str, Any]] = {}
        for line in read_lines(self.metrics):  # of an epoch told twice, around a kill, the first
            if isinstance(line.get("epoch"), int) and isinstance(line.get("metrics"), dict):
                found.setdefault(line["epoch"], line)
        return [found[epoch] for epoch in sorted(found)]

    def latest_checkpoint(self) -> Path | None:
        """The newest; the training itself looks whether it is whole, and whether `partial` is ahead of it."""
        return next(iter(kept(self.checkpoints)), None)

    def within_epoch(self) -> tuple[int, int]:
        """Epoch and steps of the newest checkpoint within an epoch; (0, 0) where there is none."""
        return max((age(path) for path in kept(self.partial)), default=(0, 0))

    def can_go_on(self) -> bool:
        """Whether there is something to go on from."""
        return bool(kept(self.checkpoints) or kept(self.partial))

    def drop_checkpoints(self, keep: int = 0) -> None:
        """Delete all checkpoints but the newest `keep`; where none is kept, everything that a training goes on from."""
        drop(self.checkpoints, keep)
        if not keep:
            drop(self.partial)


@dataclass(frozen=True)
class RunFolder:
    """`runs/img2gps-1/`, the home of one search."""

    path: Path

    @classmethod
    def create(cls, runs: Path, name: str) -> "RunFolder":
        """The next free `runs/<name>-<n>`; GeotuneError where it cannot be written."""
        try:
            runs.mkdir(parents=True, exist_ok=True)
            taken = [int(m[1]) for p in runs.iterdir() if (m := re.fullmatch(rf"{re.escape(name)}-(\d+)", p.name))]
            number = max(taken, default=0) + 1
            while True:
                try:
                    (runs / f"{name}-{number}").mkdir()
                    return cls((runs / f"{name}-{number}").resolve())
                except FileExistsError:
                    number += 1
        except OSError as error:
            hint = "choose another folder with runs=DIR"
            raise GeotuneError(f"runs={runs}: cannot write there ({error.strerror})", hint) from None

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """An existing run; GeotuneError that names the runs beside it where there is none."""
        run = cls(path.resolve())
        if not run.search_yaml.is_file():
            beside = path.parent if path.parent.is_dir() else Path()
            found = sorted(str(p.parent) for p in beside.glob("*/search.yaml"))
            hint = (
                f"runs there: {', '.join(found)}"
                if found
                else "a run is a folder with a search.yaml, as in runs/demo-1"
            )
            raise GeotuneError(f"{path}: not the folder of a search", hint)
        return run

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def search_yaml(self) -> Path:
        """What was asked: every setting written out, the space, seed, data fingerprint, versions."""
        return self.path / "search.yaml"

    @property
    def journal(self) -> Path:
        """The Optuna study; `optuna-dashboard` opens it."""
        return self.path / "study.journal"

    @property
    def budget_yaml(self) -> Path:
        """What `geotune budget` changed: trials, time, gpu_hours."""
        return self.path / "budget.yaml"

    @property
    def spend_json(self) -> Path:
        """What the search has cost so far; written by the driver every few seconds."""
        return self.path / "spend.json"

    @property
    def warm(self) -> Path:
        """Trials of earlier searches that inform the sampler, a JSON line each (geotune.record.warm)."""
        return self.path / "warm.jsonl"

    @property
    def best_yaml(self) -> Path:
        """The winner so far, as `geotune train config=` takes it."""
        return self.path / "best.yaml"

    @property
    def final(self) -> TrialFolder:
        """The full training of the winner."""
        return TrialFolder(self.path / "final")

    @property
    def final_json(self) -> Path:
        """The full training's one look at the test split."""
        return self.path / "final.json"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def ray(self) -> Path:
        """Ray's own files; never needed again."""
        return self.path / "ray"

    def trial(self, number: int) -> TrialFolder:
        return TrialFolder(self.path / "trials" / f"{number:04d}")

    def trials(self) -> Iterator[TrialFolder]:
        """By number: the names of the first ten thousand have four digits, later ones more."""
        for path in sorted((self.path / "trials").glob("[0-9]*"), key=lambda path: (len(path.name), path.name)):
            yield TrialFolder(path)


def write_atomic(path: Path, text: str) -> None:
    """Write a whole file or nothing; the folder is made if needed."""
    with whole_file(path) as file:
        file.write(text)


@contextmanager
def whole_file(path: Path, errors: str = "strict") -> Iterator[TextIO]:
    """A text file (UTF-8) to be written that takes its name when it is whole; after an error there is nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")  # not of tempfile: that hides it from the user's group
    try:
        with fresh.open("x", encoding="utf-8", newline="", errors=errors) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def append_line(path: Path, value: dict[str, Any]) -> None:
    """Add one JSON line. A torn last line of an earlier writer is ended first, so that it cannot fuse with this one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(value, separators=(",", ":")).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON lines of a file; none where it is missing, torn lines left out."""
    lines = []
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            lines.append(value)
    return lines


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file's mapping; empty where it is missing or torn."""
    lines = read_lines(path)
    return lines[0] if lines else {}
