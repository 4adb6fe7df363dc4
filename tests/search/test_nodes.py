"""Nodes that join, are lost, or do not share the run folder, while real (tiny) trainings run on a real Ray."""

import contextlib
import importlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from geotune.config import dump_yaml
from geotune.errors import GeotuneError
from geotune.record.folder import read_json
from geotune.record.record import Record
from geotune.record.trial import Assignment
from geotune.search.machine import Shape
from geotune.search.packing import Measured, Packing
from tests.tiny_search import TINY

pytestmark = [pytest.mark.ray, pytest.mark.slow]
WORDS = ("device=cpu", "stopping.rule=none", "sampler=random")
LONG = "train.epochs=5000"
"""No trial ends while a node starts, however busy the machine is; the test ends the search."""


class Watched(Record):
    """Keeps what it issued, and how far each trial had been told of by then."""

    def __init__(self, run: Any) -> None:
        super().__init__(run)
        self.issued: list[tuple[Assignment, int]] = []

    def issue(self) -> Assignment | None:
        assignment = super().issue()
        if assignment is not None:
            told = [view for view in self.trials() if view.number == assignment.number]
            self.issued.append((assignment, max(told[0].values, default=0)))
        return assignment


@pytest.fixture(scope="module")
def one_node(tiny_data: Path) -> Iterator[Any]:
    """A Ray of these tests' own: a head without trials' resources, and a node with a CPU, which the last one kills."""
    os.environ["GEOTUNE_CACHE"] = str(tiny_data.parent / "cache")  # Ray's workers inherit it
    importlib.import_module("geotune.search.executors")  # sets what Ray reads when it is imported
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 80_000_000})
    cluster.first = cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


@pytest.fixture
def fake_gpu(one_node: Any) -> Iterator[None]:
    """A node with a fake GPU, as long as the test takes."""
    node = one_node.add_node(num_cpus=2, num_gpus=1, object_store_memory=80_000_000)
    yield
    one_node.remove_node(node)
    one_node.wait_for_nodes()


@pytest.fixture
def join(one_node: Any) -> Iterator[Callable[..., Any]]:
    """`join(command)`: a node with a CPU joins, as `ray start` on another machine has it, after a shell command."""
    nodes: list[Any] = []
    ray = shutil.which("ray", path=Path(sys.executable).parent)
    start = f"exec {ray} start --address={one_node.address} --num-cpus=1 --object-store-memory=80000000 --block"

    def begin(*before: str) -> None:
        words = [*before[:-1], "sh", "-c", f"{before[-1]} && {start}"] if before else ["sh", "-c", start]
        nodes.append(subprocess.Popen(words, start_new_session=True, stdout=subprocess.DEVNULL))

    yield begin
    for process in nodes:
        process.terminate()
        process.wait(30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    one_node.wait_for_nodes()  # until Ray knows of those that are gone


def once(condition: Callable[[], bool], action: Callable[[], Any]) -> list[Any]:
    """In a thread: as soon as the condition holds, act; the list then holds what came of it."""
    done: list[Any] = []

    def wait() -> None:
        while not condition():
            time.sleep(0.05)
        done.append(action())

    threading.Thread(target=wait, daemon=True).start()
    return done


def search(
    run: Any,
    address: str,
    one: Shape = Shape(1, 0),  # noqa: B008 - it is frozen
    until: Callable[[Watched], bool] = lambda record: False,
) -> Watched:
    from geotune.record.plan import Plan
    from geotune.search.executors import ray as executor
    from geotune.search.executors.ray_cluster import cluster

    record = Watched(run)
    once(lambda: until(record), lambda: record.end("time"))
    try:
        with cluster(Plan.read(run).settings.model_copy(update={"address": address})):
            executor.run(record, one)
        assert record.done
        return record
    finally:
        record.close()


def test_a_node_whose_file_system_is_mounted_late_gets_trials_in_the_end(
    one_node: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray as library

    from geotune.search.executors import ray_nodes
    from geotune.search.executors.ray_storage import mark, unshared

    monkeypatch.setattr(ray_nodes, "AGAIN_SECONDS", 0.1)
    library.init(address=one_node.address, log_to_driver=False)
    try:
        nodes, path = ray_nodes.Nodes(), mark(tmp_path)
        (there,) = [node["NodeID"] for node in library.nodes() if node["Resources"].get("CPU")]
        nodes.refuse(there, unshared(tmp_path / "elsewhere"))
        path.unlink()
        answers = 0
        while answers < 2:  # it does not pass yet
            before = dict(nodes._asked)
            nodes.ask_again(path)
            answers += len(before.keys() - nodes._asked.keys())
            time.sleep(0.05)
        assert len(nodes.refused) == 1
        assert not nodes.offer.nodes[0][0], "the head alone, which has no CPUs for trials"
        path.touch()
        while nodes.refused:
            nodes.ask_again(path)
            time.sleep(0.05)
        assert nodes.selector == {}
    finally:
        library.shutdown()


@pytest.mark.usefixtures("fake_gpu")
def test_packing_has_trials_share_a_fake_gpu_once_one_was_measured(
    make_search: Any, one_node: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = TINY | {"search": {"train.epochs": {"choice": [3, 5000]}}}
    tree["first"] = [{"train.epochs": epochs} for epochs in (3, 5000, 5000)]
    space = tmp_path / "first_short.yaml"
    space.write_text(dump_yaml(tree))
    words = ("trials=3", "packing=auto", f"space={space}", f"address={one_node.address}")
    run, _ = make_search(*WORDS, *words)
    learn = Packing.learn
    found = Measured(peak_mb=500, waiting=0.0, gpu_mb=80_000, cpus_used=1.0)  # a fake GPU tells none of this
    monkeypatch.setattr(Packing, "learn", lambda self, _: learn(self, found))
    beside = lambda _: bool(run.trial(1).epochs() and run.trial(2).epochs())  # noqa: E731
    record = search(run, one_node.address, Shape(2, 1), beside)
    assert read_json(run.path / "packing.json")["gpus"] == 0.5
    assert [view.state for view in record.trials()] == ["complete", "due", "due"], "two share what the first held alone"


def test_a_node_that_joins_and_does_not_share_the_run_folder_is_named_and_trains_nothing(
    make_search: Any, one_node: Any, join: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace may be made here")
    from geotune.search.executors import ray_session
    from geotune.search.executors.ray_storage import check_storage

    run, _ = make_search(*WORDS, LONG, "trials=2", f"address={one_node.address}")
    said: list[str] = []
    say = ray_session.Board.say
    monkeypatch.setattr(ray_session.Board, "say", lambda self, text: (said.append(text), say(self, text)))
    outside = ("unshare", "-m", f"mount -t tmpfs none {run.path.parent}")
    joined = once(lambda: len(run.trial(0).epochs()) >= 3, lambda: join(*outside))
    named = lambda: any("gets no trials: what the search writes to" in text for text in list(said))  # noqa: E731
    search(run, one_node.address, until=lambda _: named())
    assert joined
    assert named()
    assert not run.trial(1).epochs(), "the node that was there had its hands full with trial 0"
    assert not (run.ray / "waiting.txt").exists()
    import ray as library

    library.init(address=one_node.address, log_to_driver=False)
    try:
        with pytest.raises(GeotuneError, match="not shared by every node"):
            check_storage(run.path)
    finally:
        library.shutdown()


def test_a_node_that_joins_gets_trials_and_one_that_dies_costs_at_most_an_epoch(
    make_search: Any, one_node: Any, join: Any
) -> None:
    run, _ = make_search(*WORDS, LONG, "trials=2", f"address={one_node.address}")
    running = lambda number: len(run.trial(number).epochs()) >= 3  # noqa: E731
    joined = once(lambda: running(0), join)
    both = lambda: bool(joined) and running(1)  # noqa: E731
    died = once(both, lambda: one_node.remove_node(one_node.first, allow_graceful=False))
    issued_again = lambda record: any(assignment.attempt > 1 for assignment, _ in list(record.issued))  # noqa: E731
    record = search(run, one_node.address, until=issued_again)
    assert joined
    assert died
    for view in record.trials():
        assert list(view.values) == list(range(1, len(view.values) + 1))
    again = [(assignment, told) for assignment, told in record.issued if assignment.attempt > 1]
    assert len(again) == 1, "the trial of the node that died"
    for assignment, told in again:
        assert assignment.resume_from is not None
        assert int(assignment.resume_from.name.partition("-")[2]) >= told, "what had been told of is not trained again"

    import ray as library

    from geotune.search.executors.ray_storage import check_storage

    library.init(address=one_node.address, log_to_driver=False)
    try:
        check_storage(run.path)  # Ray still lists the dead node as alive; nobody has to prove anything for it
    finally:
        library.shutdown()
