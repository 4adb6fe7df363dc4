"""Trials on Ray Tune. Searcher and scheduler are thin, stateless adapters on the record of the driver's process.

What Ray does not do here: it keeps no checkpoints, retries nothing and decides nothing. A worker or a node that dies
makes its trial due again in the record, and the record issues it first.
"""

import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from geotune.record.record import Record
from geotune.search.executors.ray_session import Session
from geotune.search.executors.ray_worker import Worker
from geotune.search.machine import Shape

_SESSIONS: dict[str, Session] = {}
"""Run folder -> its session in this process. Ray copies and pickles its searcher and scheduler; a name survives."""


def run(record: Record, one: Shape) -> None:
    """Run all that the record issues on the connected Ray; KeyboardInterrupt leaves the running trials due."""
    key = str(record.run.path)
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = "1000"  # how many wait is for `suggest` to say
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    logging.getLogger("ray.train").setLevel(logging.CRITICAL)
    session = _SESSIONS[key] = Session(record, one)
    try:
        with _own_handlers():
            _fit(key, session)
    finally:
        del _SESSIONS[key]
        session.close()
    if not record.done:  # Ray ends quietly on Ctrl-C
        record.end("interrupted")
        record.give_back()
        raise KeyboardInterrupt


def _fit(key: str, session: Session) -> None:
    """Run Ray's loop; where it breaks down (of an idle worker whose node dies, say) a fresh one goes on."""
    while True:
        try:
            _tuner(key).fit()
            return
        except Exception:
            if session.error is not None:
                raise session.error from None
            if not session.restart():
                raise


def _tuner(key: str) -> tune.Tuner:
    return tune.Tuner(
        tune.with_resources(Worker, _resources),
        tune_config=tune.TuneConfig(
            search_alg=Proposals(key),
            scheduler=Decisions(key),
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=_name_of,
            trial_dirname_creator=_name_of,
        ),
        run_config=tune.RunConfig(
            name=f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:4]}",
            storage_path=key + "/ray",
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=0),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
        ),
    )


def _resources(config: dict[str, Any]) -> tune.PlacementGroupFactory:
    """What a trial takes, and where it may run. Ray reuses a worker for trials that say the same."""
    where = {"bundle_label_selector": [config["selector"]]} if config["selector"] else {}
    return tune.PlacementGroupFactory([{"CPU": config["cpus"], "GPU": config["gpus"]}], **where)


def _name_of(trial: Any) -> str:
    return f"{trial.config.get('number', 0):04d}-{trial.config.get('attempt', 0)}-{trial.trial_id}"


@contextmanager
def _own_handlers() -> Iterator[None]:
    """Ray leaves its own behind: they would swallow the next Ctrl-C."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGUSR1)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                signal.signal(number, handler)


@contextmanager
def _session(key: str) -> Iterator[Session]:
    """What is raised within it ends the search as itself, not as Ray's text of it."""
    session = _SESSIONS[key]
    try:
        yield session
    except BaseException as error:
        session.error = error
        raise


class Proposals(Searcher):  # type: ignore[misc]
    """Ray's searcher: hands out what the record issues, and tells it which attempts were lost."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key

    def suggest(self, trial_id: str) -> Any:
        with _session(self.key) as session:
            if session.record.done:
                return Searcher.FINISHED
            config = session.issue(trial_id)
            return Searcher.FINISHED if config is None and session.record.done else config

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        if self.key in _SESSIONS:
            with _session(self.key) as session:
                session.gone(trial_id)

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

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        super().on_trial_add(tune_controller, trial)
        with _session(self.key) as session:
            session.trials[trial.trial_id] = trial

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """What a worker that has become free takes, if there is one: the trial that waits longest for a place.

        Never one that has its place already: Ray would end the worker that starts there, and short trials would keep a
        second worker from ever getting up. What still waits when the search ends is taken back: it would begin an epoch
        after the end.
        """
        with _session(self.key) as session:
            for trial in session.take_back() if session.record.ending else ():
                tune_controller.stop_trial(trial)
            manager, workers = tune_controller._actor_manager, tune_controller._trial_to_actor
            waiting = [trial for trial in session.trials.values() if trial.status == Trial.PENDING]
            placed = [t for t in waiting if t in workers and manager.is_actor_started(workers[t])]
            session.placed = len(placed)
            return next((trial for trial in waiting if trial not in placed), None)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        with _session(self.key) as session:
            return str(TrialScheduler.CONTINUE if session.take(result) else TrialScheduler.STOP)
