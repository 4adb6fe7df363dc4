"""One start of a search on Ray, in the driver: which trials are out, what each takes, where it may run, who waits."""

import json
import time
from dataclasses import dataclass, field
from typing import Any

from ray.tune.experiment import Trial

from geotune.errors import DiskError
from geotune.record.record import Record
from geotune.record.trial import Assignment, Decision, Outcome
from geotune.search.executors.ray_nodes import Nodes
from geotune.search.executors.ray_storage import mark
from geotune.search.executors.ray_worker import SPOILING
from geotune.search.machine import Shape, slots
from geotune.search.packing import Measured, Packing
from geotune.search.waiting import PATIENCE_SECONDS, Board, Scene, why

SAY_SECONDS = 1.0
"""Why trials wait is looked at no oftener: the loop comes by at every result."""


@dataclass
class Out:
    """A trial that was handed to Ray."""

    assignment: Assignment
    one: Shape
    since: float = field(default_factory=time.monotonic)


class Session:
    """It passes what the record issues to Ray and what comes of it back; of its own it only keeps the places."""

    def __init__(self, record: Record, one: Shape) -> None:
        self.record = record
        self.nodes = Nodes()
        self.packing = Packing(record.plan, record.run, one, self.nodes.offer)
        self.error: BaseException | None = None
        """What went wrong in here: Ray would pass on its text alone."""
        self.trials: dict[str, Trial] = {}
        """Ray's own trials by their ids, for their states."""
        self.placed = 0
        """Of those that wait for their worker, the ones that have their slot."""
        self._out: dict[str, Out] = {}
        self._spare = 1 if record.plan.settings.address else 0  # one beyond the slots asks a cluster to grow
        self._board = Board(record.run)
        self._mark = mark(record.run.ray)
        self._said = 0.0
        self._epochs = 0

    def issue(self, ray_id: str) -> dict[str, Any] | None:
        """The config of Ray's next trial; None where none is due or has no place now."""
        if time.monotonic() - self._said > SAY_SECONDS:
            self._said = time.monotonic()
            self._board.say(why(self._scene()))
            self.nodes.ask_again(self._mark)
        if not self._place():
            return None
        assignment = self.record.issue()
        if assignment is None:
            return None
        out = self._out[ray_id] = Out(assignment, self.packing.one)
        return {
            "number": assignment.number,
            "attempt": assignment.attempt,
            "config": assignment.config.model_dump_json(),
            "workdir": str(assignment.workdir),
            "resume_from": str(assignment.resume_from or ""),
            "mark": str(self._mark),
            "threads": out.one.threads,
            "cpus": out.one.cpus,
            "gpus": out.one.gpus,
            "selector": self.nodes.selector,
        }

    def take(self, result: dict[str, Any]) -> bool:
        """A worker's result; whether its trial goes on."""
        number, attempt = result["number"], result["attempt"]
        if "unshared" in result:
            self.nodes.refuse(result["node"], result["unshared"])
            self.record.give_back(number)
            return True  # the worker is asked once more, and ends: it takes no other trial
        if "full" in result:  # the trial is not at fault, and the next would fail of it too
            raise DiskError(result["full"], result["mend"])
        if "outcome" in result:
            outcome = Outcome(result["outcome"])
            self.record.finish(number, attempt, outcome, result["reason"])
            return outcome in SPOILING  # as above
        metrics = json.loads(result["metrics"])
        self._epochs += 1
        # In a first epoch photos are decoded and libraries warm up; one that is told again took place elsewhere.
        if self.packing.measures and result["epoch"] > 1 and not result["replayed"]:
            self.packing.learn(
                Measured(
                    metrics.get("train/peak_mb", 0.0),
                    metrics.get("train/waiting", 0.0),
                    result["gpu_mb"],
                    result["cpus_used"],
                )
            )
        if self.record.report(number, attempt, result["epoch"], metrics) is Decision.STOP:
            self.record.finish(number, attempt, Outcome.STOPPED)
            return False
        return True

    def gone(self, ray_id: str) -> None:
        """Ray's trial has ended, in order or not; of one that ended in order the record knows."""
        self.trials.pop(ray_id, None)
        out = self._out.pop(ray_id, None)
        if out is not None:
            self.record.lost(out.assignment.number, out.assignment.attempt)

    def take_back(self) -> list[Trial]:
        """Give the trials that have no worker yet back to the record -> Ray's own, to be stopped."""
        waiting = [
            trial for ray_id, trial in self.trials.items() if ray_id in self._out and trial.status == Trial.PENDING
        ]
        for trial in waiting:
            self.record.give_back(self._out.pop(trial.trial_id).assignment.number)
        return waiting

    def restart(self) -> bool:
        """Ray's loop broke down: make all that was out due again; whether anything was reached since the last time."""
        reached, self._epochs = self._epochs > 0, 0
        self._out.clear()
        self.trials.clear()
        self.record.give_back()
        return reached

    def close(self) -> None:
        self._board.say("")
        self._mark.unlink(missing_ok=True)

    def _place(self) -> bool:
        """Whether one more trial has a place, or may wait for one.

        While trials of a whole GPU run that began before it was shared, their GPUs have no place for others. None waits
        for a place while the first is measured: it would wait for a whole GPU, and keep it.
        """
        one, offer = self.packing.one, self.nodes.offer
        spare = 0 if self.packing.measures and self._out else self._spare
        if len(self._out) >= slots(one, offer) + spare:
            return False
        used, there = sum(out.one.gpus for out in self._out.values()), sum(gpus for _, gpus in offer.nodes)
        return not one.gpus or used + one.gpus <= there + spare * one.gpus + 1e-6

    def _scene(self) -> Scene:
        one, now = self.packing.one, time.monotonic()
        up = {ray_id for ray_id, trial in self.trials.items() if trial.status == Trial.RUNNING}
        waiting = [now - out.since for ray_id, out in self._out.items() if ray_id not in up]
        kinds = self.nodes.kinds
        count = slots(one, self.nodes.offer)
        long = max(waiting, default=0.0) > PATIENCE_SECONDS
        return Scene(
            one=one,
            slots=count,
            running=len(self._out) - len(waiting),
            starting=len(waiting),
            starting_seconds=max(waiting, default=0.0),
            placed=self.placed,
            free=self.nodes.free(one) if long and count else 0,
            grows=None if kinds is None else bool(kinds),
            lost=self.nodes.lost,
            refused=self.nodes.refused,
        )
