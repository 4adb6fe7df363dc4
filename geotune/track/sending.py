"""One run folder -> one open MLflow store: a parent run for the search, a child a trial, one for the full training.

Only trials that are not closed in the cursor are read, and of their files only what has been added, just before it is
sent: a search of ten thousand trials costs as much as one of ten, and an outage nothing.
"""

import hashlib
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geotune.config import dump_yaml, flatten, load_yaml
from geotune.record.folder import RunFolder, read_json
from geotune.record.history import History
from geotune.record.public import public
from geotune.track.cursor import Cursor
from geotune.track.mlflow import MlflowStore, refused
from geotune.track.once import Runs
from geotune.track.tail import Tail, leader, numbers, rows

STATUS = {"complete": "FINISHED", "stopped": "KILLED"}  # diverged, infeasible and crashed are FAILED
ALWAYS = ("model.backbone", "model.head.name", "train.batch_size", "train.epochs", "optim.lr")
"""Settings that a run shows although the search did not vary them."""
SEARCH = "search"
"""The parent's `geotune.trial`; a child's is its number, or `final-…`."""
AT_ONCE = 8
"""Trials that are sent at the same time to a server, which may take seconds to answer. An SQL store takes one."""
CHUNK = 64
"""Trials after which the cursor is written."""


@dataclass
class Sent:
    """How much a pass has sent."""

    trials: int = 0
    values: int = 0


class Sending:
    """Opens the store; raises whatever MLflow raises when it does not answer, and is then to be made anew."""

    def __init__(self, run: RunFolder, uri: str, cursor: Cursor) -> None:
        self._run, self._cursor = run, cursor
        self._asked = History(run, load_yaml(run.search_yaml), (), None, {})
        space = str(self._asked.asked.get("space", {}).get("name") or "search")
        self._store = MlflowStore(uri, f"geotune-{space}", run.path.parent / "mlartifacts")
        if "id" in (known := cursor.runs.get(SEARCH, {})) and not self._store.has(known["id"]):
            cursor.forget()
        self._runs = Runs(self._store, cursor)
        self._tails: dict[str, Tail] = {}
        self._at_once = AT_ONCE if uri.startswith("http") else 1
        self._unfinished: str | None = None
        self._test: dict[str, Any] = {}
        self._broken = False

    def send(self, cursor: Cursor, unfinished: str | None) -> Sent:
        """All that is new. `unfinished` is the status that runs without an outcome get; None leaves it as it is."""
        self._cursor, self._unfinished, self._test = cursor, unfinished, read_json(self._run.final_json)
        sent, problem = Sent(), None
        names = [str(number) for number in numbers(self._run) if number not in cursor.closed]
        names += ["final"] if self._run.final.path.is_dir() else []
        try:
            self._runs.look([SEARCH, *(self._identity(name) for name in names)], cursor)
            parent = self._search()
            with ThreadPoolExecutor(self._at_once, "geotune-mlflow") as pool:
                for start in range(0, len(names), CHUNK):
                    tails = [tail for name in names[start : start + CHUNK] if (tail := self._read(name)).config]
                    for tail, result in zip(tails, pool.map(lambda tail: self._try(parent, tail), tails), strict=True):
                        if isinstance(result, Exception):
                            problem = problem or result
                        else:
                            sent.values += result
                            sent.trials += self._close(tail)
                    cursor.save()
                    if self._broken:
                        break
            if not self._broken:
                self._finish()
        finally:
            cursor.save()
        if problem is not None:
            raise problem
        return sent

    def _identity(self, name: str) -> str:
        """A trial's `geotune.trial`; a full training that began anew with other settings is another one."""
        if name != "final":
            return name
        config = self._run.final.config
        text = json.dumps(flatten(load_yaml(config)) if config.is_file() else {}, sort_keys=True)
        return f"final-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def _read(self, name: str) -> Tail:
        """The folder as far as it has grown, and only the epochs that are not sent."""
        if name == "final":  # may have begun anew with other settings: it is read as a whole
            tail = Tail(self._run.final)
        else:
            tail = self._tails.setdefault(name, Tail(self._run.trial(int(name))))
        tail.read()
        sent = self._cursor.runs.get(self._identity(name), {}).get("epoch", 0)
        tail.epochs = {epoch: line for epoch, line in tail.epochs.items() if epoch > sent}
        return tail

    def _try(self, parent: str, tail: Tail) -> int | Exception:
        """Values sent, or what kept them back: one run that was deleted by hand must not keep back the others."""
        if self._broken:
            return 0
        try:
            return self._trial(parent, tail)
        except Exception as error:
            self._broken = not refused(error)
            return error

    def _trial(self, parent: str, tail: Tail) -> int:
        name, store = self._identity(tail.name), self._store
        entry = self._cursor.entry(name)
        title = "full training" if tail.name == "final" else f"trial {tail.name}"
        run = self._runs.open(entry, name, title, tail.began, parent)
        params: dict[str, Any] = {}
        if not entry.get("params"):
            params = {key: tail.config[key] for key in (*self._asked.searched, *ALWAYS) if key in tail.config}
        tags: dict[str, str] = {}
        if tail.about and not entry.get("about"):
            tags = {f"geotune.weights.{key}": str(value) for key, value in tail.about["weights"].items()}
            tags["geotune.model"] = tail.about["model"]
        state = str(tail.outcome.get("state", "running"))
        status = STATUS.get(state, "FAILED") if tail.outcome else self._unfinished
        if tail.name == "final" and self._test:
            status = "FINISHED"
        changed = status is not None and status != entry.get("status", "RUNNING")
        if changed and tail.outcome:
            tags |= {"geotune.outcome": state, "geotune.reason": str(tail.outcome.get("reason") or "")[:500]}
        new = [row for e, line in tail.epochs.items() for row in rows(line["metrics"], line["time"], e)]
        if params or new or tags:
            store.send(run, params=params, metrics=new, tags=tags)
        entry |= {"params": True, "about": bool(tail.about), "epoch": max(tail.epochs, default=entry.get("epoch", 0))}
        tail.epochs.clear()
        if status is not None:
            if changed:
                store.status(run, status, tail.outcome.get("time", tail.last))
            entry["status"] = status
            if status != "RUNNING":
                self._runs.only(entry, name)
        return len(new)

    def _close(self, tail: Tail) -> bool:
        """Whether the trial has ended: then it is read no more."""
        if tail.name == "final" or not tail.outcome or self._broken:
            return False
        del self._tails[tail.name]
        self._cursor.close(tail.name)
        return True

    def _search(self) -> str:
        """The parent's run, with what was asked."""
        entry = self._cursor.entry(SEARCH)
        run = self._runs.open(entry, SEARCH, self._run.name, self._run.search_yaml.stat().st_mtime)
        if not entry.get("params"):
            words = flatten(public(self._asked.asked).get("settings", {})) | {
                "goal": ", ".join(metric for metric, _ in self._asked.goals)
            }
            words.pop("tracking", None)  # whoever reads this is there
            note = f"`geotune` search in `{self._run.path}`"
            self._store.send(run, params=words, tags={"mlflow.note.content": note})
            entry["params"] = True
            self._cursor.save()
        return run

    def _supersede(self) -> None:
        """A full training that gave way to one with other settings runs no more."""
        now = self._identity("final")
        for name, entry in self._cursor.runs.items():
            if (
                name.startswith("final-")
                and name != now
                and "id" in entry
                and entry.get("status", "RUNNING") == "RUNNING"
            ):
                self._store.status(entry["id"], "KILLED")
                entry["status"] = "KILLED"
                self._runs.only(entry, name)

    def _finish(self) -> None:
        """The parent's own values: the best trial so far, the test, the status and, at the very end, the files."""
        entry, store, test, run = self._cursor.entry(SEARCH), self._store, self._test, self._run
        self._supersede()
        best = leader(run)
        if best != entry.get("best", ""):
            store.send(entry["id"], tags={"geotune.best": best})
            entry["best"] = best
        if test and not entry.get("test"):
            when = float(test.get("time") or run.final_json.stat().st_mtime)
            extra = {f"test/{k}": test.get(k) for k in ("low", "high", "baseline", "seconds")}
            found = list(rows({**test.get("metrics", {}), **extra}, when, 0))
            final = self._cursor.runs.get(self._identity("final"), {})
            for identity in filter(None, (entry["id"], final.get("id"))):
                store.send(identity, metrics=found)
            entry["test"] = True
        status = "FINISHED" if test else self._unfinished
        if status and entry.get("status", "RUNNING") != status:
            store.status(entry["id"], status)
        if status:
            entry["status"] = status
            if status != "RUNNING":
                self._runs.only(entry, SEARCH)
        if self._unfinished == "KILLED" and test and not entry.get("files"):  # closing: nothing is written any more
            with tempfile.TemporaryDirectory() as folder:
                asked = Path(folder) / run.search_yaml.name
                asked.write_text(dump_yaml(public(self._asked.asked)), encoding="utf-8")
                files = (asked, run.best_yaml, run.report, run.model / "README.md")
                store.files(entry["id"], [path for path in files if path.is_file()])
            entry["files"] = True
