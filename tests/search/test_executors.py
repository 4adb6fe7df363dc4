"""Both executors run real (tiny) trainings, and give the same trials."""

import os
import signal
from typing import Any

import pytest

from geotune.record.record import Record
from geotune.search.executors import inline
from geotune.search.machine import Shape
from geotune.train import loop
from geotune.train.interrupt import Terminated
from geotune.train.kept import kept
from tests.tiny_search import kill_a_worker


def outcome_of(record: Record) -> list[Any]:
    return [(v.number, v.state, v.drawn, list(v.values), v.values) for v in record.trials()]


def run_inline(run: Any) -> list[Any]:
    record = Record(run)
    try:
        inline.run(record, Shape(1, 0))
        assert record.done
        return outcome_of(record)
    finally:
        record.close()


def run_ray(run: Any, address: str, one: Shape) -> list[Any]:
    from geotune.record.plan import Plan
    from geotune.search.executors import ray as executor
    from geotune.search.executors.ray_cluster import check_storage, cluster

    record = Record(run)
    try:
        settings = Plan.read(run).settings.model_copy(update={"address": address})
        before = signal.getsignal(signal.SIGINT)
        with cluster(settings):
            check_storage(run.path)
            executor.run(record, one)
        assert signal.getsignal(signal.SIGINT) is before, "or the next Ctrl-C would be swallowed"
        assert record.done
        return outcome_of(record)
    finally:
        record.close()


def sigterm_in_the_fifth_step(patch: pytest.MonkeyPatch) -> list[int]:
    """This process gets SIGTERM as a training's fifth step begins; returns the list that holds an entry a step."""
    take, calls = loop.take, []

    def interrupted(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return take(*arguments)

    patch.setattr(loop, "take", interrupted)
    return calls


def test_inline_runs_every_trial(make_search: Any) -> None:
    run, _ = make_search()
    trials = run_inline(run)
    assert len(trials) == 4
    assert {state for _, state, *_ in trials} <= {"complete", "stopped"}
    assert all(trial[3] == [1, 2, 3] for trial in trials if trial[1] == "complete")
    assert run.best_yaml.is_file()
    assert not list(run.trial(0).checkpoints.glob("*")), "an ended trial's checkpoints are deleted"


def test_sigterm_leaves_a_trial_due_and_saved_in_mid_epoch(make_search: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    straight = run_inline(make_search("stopping.rule=none", "trials=2")[0])
    run, _ = make_search("stopping.rule=none", "trials=2")
    with monkeypatch.context() as patch:
        calls = sigterm_in_the_fifth_step(patch)
        with pytest.raises(Terminated):
            run_inline(run)
    assert len(calls) == 5
    (partial,) = kept(run.trial(0).partial)
    assert partial.name == "2-2"
    assert run_inline(run) == straight
    assert not run.trial(0).partial.exists()


def test_a_trial_that_diverges_or_crashes_does_not_end_the_search(make_search: Any) -> None:
    run, _ = make_search("optim.lr=1e30", "train.clip=0", "model.head.name=regression", "optim.name=sgd", "trials=2")
    assert [state for _, state, *_ in run_inline(run)] == ["diverged", "diverged"]


def test_sigterm_saves_a_ray_workers_trial_in_mid_epoch(make_search: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that is taken away. Without Ray's own process around it, which does nothing but call `step`."""
    from geotune.search.executors.ray_worker import Worker

    record = Record(make_search("stopping.rule=none", "trials=1")[0])
    assignment = record.issue()
    record.close()
    assert assignment is not None
    sigterm_in_the_fifth_step(monkeypatch)
    worker = Worker.__new__(Worker)
    given = {"config": assignment.config.model_dump_json(), "workdir": str(assignment.workdir), "resume_from": ""}
    worker._begin(given | {"number": 0, "attempt": 1})
    assert worker.step()["epoch"] == 1
    with pytest.raises(SystemExit):
        worker.step()
    assert [path.name for path in kept(record.run.trial(0).partial)] == ["2-2"]


@pytest.mark.ray
@pytest.mark.slow
def test_two_nodes_with_fake_gpus_run_the_same_trials_as_inline_whoever_is_killed(
    make_search: Any, two_nodes: str
) -> None:
    words = ("device=cpu", "stopping.rule=none", "sampler=random", "train.epochs=40", "trials=3")
    inline_trials = run_inline(make_search(*words)[0])
    run, _ = make_search(*words)
    killed = [
        kill_a_worker("ray::Worker", lambda n=number: len(run.trial(n).epochs()) >= 3, kill, of_trial=number)
        for number, kill in enumerate((signal.SIGKILL, signal.SIGTERM))
    ]
    trials = run_ray(run, two_nodes, Shape(1, 1))
    assert all(killed)
    assert [trial[1] for trial in trials] == ["complete"] * 3
    assert all(trial[3] == list(range(1, 41)) for trial in trials), "every epoch is there, once"
    record = Record(run)
    attempts = [t.user_attrs["attempt"] for t in record.study.get_trials()]
    record.close()
    assert attempts == [2, 2, 1], "the killed trials were run again under their own numbers"
    assert [trial[:4] for trial in trials] == [trial[:4] for trial in inline_trials]
    for theirs, ours in zip(trials, inline_trials, strict=True):
        assert theirs[4] == pytest.approx(ours[4], rel=1e-4)
