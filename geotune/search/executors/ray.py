"""Trials on Ray Tune. Searcher and scheduler are thin, stateless adapters on the record of the driver's process.

What Ray does not do here: it keeps no checkpoints, retries nothing and decides nothing. A worker or a node that dies
makes its trial due again in the record, and the record issues it first.
"""

import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from geotune.record.record import Record
from geotune.record.trial import Assignment, Decision, Outcome
from geotune.search.executors.ray_cluster import offer
from geotune.search.machine import Shape, slots

SPOILING = (Outcome.CRASHED, Outcome.INFEASIBLE)
"""Outcomes that leave a process in doubt: its GPU memory in pieces, or its CUDA context broken for good."""
_RECORDS: dict[str, Record] = {}
"""Run folder -> its open record in this process. Ray copies and pickles its searcher and scheduler; a name survives."""


def run(record: Record, one: Shape) -> None:
    """Run all that the record issues on the connected Ray; KeyboardInterrupt leaves the running trials due."""
    key = str(record.run.path)
    _RECORDS[key] = record
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = "1"
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    logging.getLogger("ray.train").setLevel(logging.CRITICAL)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGUSR1)}
    try:
        tuner = tune.Tuner(
            tune.with_resources(Worker, tune.PlacementGroupFactory([{"CPU": one.cpus, "GPU": one.gpus}])),
            param_space={"threads": one.threads, "gpus": one.gpus},
            tune_config=tune.TuneConfig(
                search_alg=Proposals(key, one),
                scheduler=Decisions(key),
                num_samples=-1,
                reuse_actors=True,
                trial_name_creator=_name_of,
                trial_dirname_creator=_name_of,
            ),
            run_config=tune.RunConfig(
                name=time.strftime("%Y%m%d-%H%M%S"),
                storage_path=key + "/ray",
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=0),
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
            ),
        )
        tuner.fit()
    finally:
        del _RECORDS[key]
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():  # Ray leaves its own behind: it would swallow the next Ctrl-C
                signal.signal(number, handler)
    if not record.done:  # Ray ends quietly on Ctrl-C
        record.end("interrupted")
        record.give_back()
        raise KeyboardInterrupt


def _name_of(trial: Any) -> str:
    return f"{trial.config.get('number', 0):04d}-{trial.config.get('attempt', 0)}-{trial.trial_id}"


class Proposals(Searcher):  # type: ignore[misc]
    """Ray's searcher: hands out what the record issues, and tells it which attempts were lost."""

    def __init__(self, key: str, one: Shape) -> None:
        super().__init__()
        self.key, self.one = key, one
        self.running: dict[str, tuple[int, int]] = {}

    def suggest(self, trial_id: str) -> Any:
        record = _RECORDS[self.key]
        if record.done:
            return Searcher.FINISHED
        waiting = 1 if record.plan.settings.address else 0  # one beyond the slots asks a cluster to grow
        if len(self.running) >= slots(self.one, offer()) + waiting:
            return None
        assignment = record.issue()
        if assignment is None:
            return Searcher.FINISHED if record.done else None
        self.running[trial_id] = (assignment.number, assignment.attempt)
        return _packed(assignment)

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        number, attempt = self.running.pop(trial_id, (-1, -1))
        record = _RECORDS.get(self.key)
        if record is not None:  # an attempt that ended in order has been told by then; telling it lost changes nothing
            record.lost(number, attempt)

    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("each start is a fresh Tuner; the record holds the state")

    def __deepcopy__(self, memo: Any) -> "Proposals":
        return self


class Decisions(FIFOScheduler):  # type: ignore[misc]
    """Ray's scheduler: passes every result to the record, and its answer back."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        record = _RECORDS[self.key]
        number, attempt = result["number"], result["attempt"]
        if "outcome" in result:
            outcome = Outcome(result["outcome"])
            record.finish(number, attempt, outcome, result["reason"])
            # A worker that crashed or ran out of memory is asked once more, and ends: it takes no other trial.
            return str(TrialScheduler.CONTINUE if outcome in SPOILING else TrialScheduler.STOP)
        if record.report(number, attempt, result["epoch"], json.loads(result["metrics"])) is Decision.STOP:
            record.finish(number, attempt, Outcome.STOPPED)
            return str(TrialScheduler.STOP)
        return str(TrialScheduler.CONTINUE)


def _packed(assignment: Assignment) -> dict[str, Any]:
    return {
        "number": assignment.number,
        "attempt": assignment.attempt,
        "config": assignment.config.model_dump_json(),
        "workdir": str(assignment.workdir),
        "resume_from": str(assignment.resume_from or ""),
    }


class Worker(tune.Trainable):  # type: ignore[misc]
    """A Ray actor that runs one trial after another: an epoch a step, then one last result with the outcome."""

    def setup(self, config: dict[str, Any]) -> None:
        import torch

        from geotune.data.threads import set_lease
        from geotune.train.device import hold

        torch.set_num_threads(config["threads"])
        set_lease(config["threads"])
        hold(config["gpus"])
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._epochs.close()
        self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        from geotune.train.loop import train
        from geotune.train.settings import TrainConfig

        self._id = {"number": config["number"], "attempt": config["attempt"]}
        train_config = TrainConfig.model_validate_json(config["config"])
        workdir, resume = Path(config["workdir"]), config["resume_from"]
        self._assignment = Assignment(**self._id, config=train_config, workdir=workdir, resume_from=None)
        self._epochs = train(train_config, workdir, resume=Path(resume) if resume else None)
        self._spoiled = False

    def step(self) -> dict[str, Any]:
        from geotune.train.interrupt import Terminated, orderly
        from geotune.train.outcomes import Diverged, Infeasible

        if self._spoiled:
            raise RuntimeError("a fresh worker takes the next trial")
        try:
            with orderly():
                epoch = next(self._epochs)
            epoch.save(self._assignment.checkpoint(epoch.number))
            return self._id | {"epoch": epoch.number, "metrics": json.dumps(epoch.metrics)}
        except Terminated:  # a node that is taken away: saved in mid-epoch, the trial is due again
            sys.exit(143)
        except StopIteration:
            return self._outcome(Outcome.COMPLETE, "")
        except Diverged as error:
            return self._outcome(Outcome.DIVERGED, str(error))
        except Infeasible as error:
            return self._outcome(Outcome.INFEASIBLE, str(error))
        except Exception:
            return self._outcome(Outcome.CRASHED, traceback.format_exc())

    def _outcome(self, outcome: Outcome, reason: str) -> dict[str, Any]:
        self._spoiled = outcome in SPOILING
        # Without Ray's "done": of such a result it would tell no scheduler.
        return self._id | {"outcome": outcome.value, "reason": reason}

    def cleanup(self) -> None:
        self._epochs.close()
