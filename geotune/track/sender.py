"""The run folder -> MLflow, whenever MLflow answers: a search never waits for it and never fails with it.

Everything sent is read from the record, so nothing is lost by an outage, and `sync` may be repeated or killed at any
instant: runs are found by our own tags before any is created, values carry the record's own times, and the cursor
(`track.json`) only spares work. One parent run a search, one child a trial, one for the full training.
"""

import hashlib
import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from geotune.config import flatten
from geotune.record.folder import read_json
from geotune.record.history import History, TrialHistory, read_history
from geotune.track.cursor import Cursor
from geotune.track.mlflow import MlflowStore, check_uri, shown, store_uri

STATUS = {"complete": "FINISHED", "stopped": "KILLED"}  # diverged, infeasible and crashed are FAILED
ALWAYS = ("model.backbone", "model.head.name", "train.batch_size", "train.epochs", "optim.lr")
"""Settings that a run shows although the search did not vary them."""


class NullSender:
    """`tracking=none`: the same calls, and nothing happens."""

    def start(self) -> None:
        """Begin to send in the background."""

    def sync(self) -> None:
        """Send all that is new, now."""

    def close(self, seconds: float = 20.0) -> None:
        """Send the rest within a time limit and end."""


class Sender(NullSender):
    """Brings one run folder into MLflow; any number of them, in any processes, may work on the same folder."""

    def __init__(
        self, run: Path, tracking: str = "", *, every: float = 5.0, warn: Callable[[str], None] | None = None
    ) -> None:
        """`tracking` is MLflow's URI, "" for the store embedded in the runs folder. Nothing is opened yet."""
        self._run = run.resolve()
        self._uri = tracking or store_uri(self._run.parent)
        self._every = every
        self._warn = warn or (lambda text: print(f"geotune: {text}", file=sys.stderr))  # noqa: T201
        self._warned = False
        self._store: MlflowStore | None = None
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()

    def start(self) -> None:
        if self._thread is not None:
            return
        self._thread = threading.Thread(target=self._work, name="geotune-mlflow", daemon=True)
        self._thread.start()

    def close(self, seconds: float = 20.0) -> None:
        self._ending.set()
        if self._thread is None:
            self.start()
        assert self._thread is not None
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._tell("no answer in time")

    def _work(self) -> None:
        pause = self._every
        while True:
            ending = self._ending.is_set()
            try:
                self.sync(unfinished="KILLED" if ending else "RUNNING")
                pause = self._every
            except Exception as error:  # whatever MLflow raises: the search goes on
                self._tell(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
                pause = min(pause * 2, 60.0)
            if ending:
                return
            self._ending.wait(pause)

    def _tell(self, reason: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(
                f"MLflow ({shown(self._uri)}) does not take the results: {shown(reason)[:300]}\n"
                "  The search goes on without it; what is missing there is sent as soon as it answers."
            )

    def sync(self, unfinished: str | None = "RUNNING") -> None:
        """Send what MLflow does not have yet. Raises what MLflow raises.

        `unfinished` is the status that runs without an outcome get; None leaves it as it is.
        """
        try:
            with FileLock(self._run / "track.json.lock", timeout=0):
                self._sync(read_history(self._run), unfinished)
        except Timeout:  # another process is at it
            return

    def _sync(self, history: History, unfinished: str | None) -> None:
        cursor = Cursor(self._run / "track.json", shown(self._uri))
        if self._store is None:
            artifacts = self._run.parent / "mlartifacts"
            store = MlflowStore(self._uri, f"geotune-{_space(history)}", artifacts)
            if not (cursor.runs.get("") and store.has(cursor.runs[""]["id"])):
                cursor.forget()
            self._store = store
        problem: Exception | None = None
        try:
            parent = self._parent(cursor, history)
            for trial in (*history.trials, *([history.final] if history.final else [])):
                try:
                    self._trial(cursor, parent, trial, history, unfinished)
                except Exception as error:  # one run deleted by hand must not keep back the others
                    problem = problem or error
            if problem is None:
                self._finish(cursor, history, unfinished)
        finally:
            cursor.save()
        if problem is not None:
            raise problem

    def _parent(self, cursor: Cursor, history: History) -> str:
        entry = cursor.entry("")
        store = self._open
        if "id" not in entry:
            started = history.run.search_yaml.stat().st_mtime
            tags = {"geotune.run": cursor.key, "geotune.trial": "search"}
            entry["id"] = store.run(tags, history.run.name, started)
            cursor.save()
        if not entry.get("params"):
            words = flatten(history.asked.get("settings", {})) | {"goal": history.goal}
            words.pop("tracking", None)  # it may hold a password
            note = f"`geotune` search in `{history.run.path}`"
            store.send(entry["id"], params=words, tags={"mlflow.note.content": note})
            entry["params"] = True
        return str(entry["id"])

    def _trial(
        self, cursor: Cursor, parent: str, trial: TrialHistory, history: History, unfinished: str | None
    ) -> None:
        name = _identity(trial)
        entry = cursor.entry(name)
        store = self._open
        if "id" not in entry:
            if not trial.config:
                return
            started = (trial.folder / "config.yaml").stat().st_mtime
            if trial.epochs:
                started = min(started, trial.epochs[0]["time"])
            title = "full training" if trial.name == "final" else f"trial {trial.name}"
            tags = {"geotune.run": cursor.key, "geotune.trial": name}
            entry["id"] = store.run(tags, title, started, parent)
        shown = [key for key in (*history.searched, *ALWAYS) if key in trial.config]
        params = {key: trial.config[key] for key in shown if key not in entry.setdefault("params", [])}
        new = [epoch for epoch in trial.epochs if epoch["epoch"] > entry.get("epoch", 0)]
        rows = [row for epoch in new for row in _rows(epoch["metrics"], epoch["time"], epoch["epoch"])]
        if params or rows:
            store.send(entry["id"], params=params, metrics=rows)
            entry["params"] += params
            entry["epoch"] = trial.epochs[-1]["epoch"] if trial.epochs else 0
        if not entry.get("about") and (about := read_json(trial.folder / "about.json")):
            weights = {f"geotune.weights.{key}": value for key, value in about["weights"].items()}
            store.send(entry["id"], tags={"geotune.model": about["model"], **weights})
            entry["about"] = True
        status = STATUS.get(trial.state, "FAILED") if trial.outcome else unfinished
        if trial.name == "final" and history.test:
            status = "FINISHED"
        if status and entry.get("status", "RUNNING") != status:
            if trial.outcome:
                tags = {"geotune.outcome": trial.state, "geotune.reason": str(trial.outcome.get("reason") or "")[:500]}
                store.send(entry["id"], tags=tags)
            last = trial.epochs[-1]["time"] if trial.epochs else None
            store.status(entry["id"], status, trial.outcome.get("time", last))
        if status:
            entry["status"] = status

    def _finish(self, cursor: Cursor, history: History, unfinished: str | None) -> None:
        """The parent's own values: the best trial so far, the test, the status and, at the very end, the files."""
        entry, store = cursor.entry(""), self._open
        ranked = history.ranked()
        best = (
            f"trial {ranked[0].name}: {history.goal} {ranked[0].best(history.goal, history.minimize):.6g}"
            if ranked
            else ""
        )
        if best != entry.get("best", ""):
            store.send(entry["id"], tags={"geotune.best": best})
            entry["best"] = best
        if history.test and not entry.get("test"):
            when = float(history.test.get("time") or history.run.final_json.stat().st_mtime)
            extra = {f"test/{k}": history.test.get(k) for k in ("low", "high", "baseline", "seconds")}
            rows = list(_rows({**history.test.get("metrics", {}), **extra}, when, 0))
            for run in filter(None, (entry["id"], cursor.runs.get("final", {}).get("id"))):
                store.send(run, metrics=rows)
            entry["test"] = True
        status = "FINISHED" if history.test else unfinished
        if status and entry.get("status", "RUNNING") != status:
            store.status(entry["id"], status)
        if status:
            entry["status"] = status
        run = history.run
        if unfinished == "KILLED" and history.test and not entry.get("files"):  # closing: nothing is written any more
            found = (run.search_yaml, run.best_yaml, run.report, run.model / "README.md")
            store.files(entry["id"], [path for path in found if path.is_file()])
            entry["files"] = True

    @property
    def _open(self) -> MlflowStore:
        assert self._store is not None
        return self._store


def open_sender(run: Path, tracking: str, *, warn: Callable[[str], None] | None = None) -> NullSender:
    """The sender for `tracking=`: "" for the runs folder's own store, `none`, or a URI (GeotuneError if it is none)."""
    if tracking == "none":
        return NullSender()
    if tracking:
        check_uri(tracking)
    return Sender(run, tracking, warn=warn)


def catch_up(runs: Path) -> list[str]:
    """Send to a runs folder's own store what an outage or a kill left out; the names of runs where that failed."""
    failed = []
    for path in sorted(runs.glob("*/track.json")):
        if read_json(path).get("tracking") == store_uri(runs):
            try:
                Sender(path.parent, "").sync(unfinished=None)
            except Exception:
                failed.append(path.parent.name)
    return failed


def _identity(trial: TrialHistory) -> str:
    """What tells runs apart: a full training that began anew with other settings is another one."""
    if trial.name != "final" or not trial.config:
        return trial.name
    return f"final-{hashlib.sha256(json.dumps(trial.config, sort_keys=True).encode()).hexdigest()[:8]}"


def _rows(metrics: dict[str, Any], when: float, step: int) -> Iterator[tuple[str, float, float, int]]:
    for key, value in metrics.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield key, float(value), when, step


def _space(history: History) -> str:
    return str(history.asked.get("space", {}).get("name") or "search")
