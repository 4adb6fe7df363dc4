"""A real MLflow server is away, slow, killed, or its answers are lost: in the end everything stands there once."""

import json
import os
import random
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from geotune.errors import GeotuneError
from geotune.track.mlflow import MlflowStore, store_uri
from geotune.track.sender import Sender
from geotune.track.server import answers, serve, stop
from tests.track.conftest import assert_complete, runs_in
from tests.track.proxy import Proxy

pytestmark = pytest.mark.slow


class Server:
    """An MLflow server on a store of its own, which outlives it."""

    def __init__(self, folder: Path, database: bytes) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "mlflow.db").write_bytes(database)
        self.folder, self.uri = folder, store_uri(folder)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.start()

    def start(self) -> None:
        until(self._starts)
        until(lambda: answers("127.0.0.1", self.port))

    def _starts(self) -> bool:
        try:
            self.process = serve(self.uri, self.port, artifacts=self.folder / "artifacts")
        except GeotuneError:  # the killed one's port is not given back yet
            return False
        return True

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"), empty_store.read_bytes())
    yield server
    stop(server.process)


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    proxy = Proxy(server.port)
    yield proxy
    proxy.close()


def key_of(made: Any) -> str:
    return str(json.loads((made.path / "track.json").read_text())["key"])


def check(made: Any, server: Server) -> None:
    assert_complete(MlflowClient(server.uri), key_of(made))


def test_away_from_the_start_and_again_in_between(finished: Any, server: Server, proxy: Proxy) -> None:
    proxy.down = True
    said: list[str] = []
    sender = Sender(finished.path, proxy.uri, every=0.05, warn=said.append)
    sender.start()
    until(lambda: bool(said))
    proxy.down = False
    until(lambda: len(proxy.requests) > 6)
    proxy.down = True
    time.sleep(0.3)
    proxy.down = False
    sender.close(seconds=60)
    check(finished, server)
    assert len(said) == 1


def test_slow_answers_cost_a_few_calls_a_trial(finished: Any, server: Server, proxy: Proxy) -> None:
    Sender(finished.path, proxy.uri).sync()  # the experiment is there
    for file in (finished.path / "track.json", finished.path / "track.json.lock"):
        file.unlink()
    before = len(proxy.requests)
    proxy.delay_seconds = 0.2
    Sender(finished.path, proxy.uri).sync()
    proxy.delay_seconds = 0.0
    check(finished, server)
    trials, others = 5, 1 + 2 + 4  # experiment; run and settings; best, twice the test, status
    assert len(proxy.requests) - before <= 3 * trials + others


def test_what_the_sender_could_not_wait_for_is_sent_later(finished: Any, server: Server, proxy: Proxy) -> None:
    proxy.delay_seconds = 1.0
    said: list[str] = []
    sender = Sender(finished.path, proxy.uri, warn=said.append)
    sender.close(seconds=0.5)
    assert len(said) == 2
    assert "no answer in time" in said[0]
    assert f"geotune sync {finished.path}" in said[1]
    proxy.delay_seconds = 0.0
    Sender(finished.path, proxy.uri).sync(wait_seconds=60)  # beside the one that is still at it
    check(finished, server)


@pytest.mark.parametrize("what", ["any", "runs/create", "runs/log-batch"])
def test_lost_answers_make_nothing_twice(finished: Any, server: Server, proxy: Proxy, what: str) -> None:
    """Every third answer or so is lost, though the server did what it was asked."""
    chance, lost = random.Random(0), []

    def loses(number: int, path: str) -> bool:
        if (what == "any" or what in path) and chance.random() < 0.3:
            lost.append(path)
            return True
        return False

    proxy.loses = loses
    for _ in range(200):
        try:
            if Sender(finished.path, proxy.uri).sync():
                break
        except Exception:
            continue
    else:
        raise AssertionError("no pass came through")
    check(finished, server)
    assert lost


def test_a_run_that_comes_to_be_late_is_removed(
    hand_made: Any, server: Server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = hand_made("demo-1")
    made.trial(0, optim__lr=0.1)
    created: list[int] = []

    def loses(number: int, path: str) -> bool:
        if "runs/create" in path:
            created.append(number)
        return len(created) == 2 and created[-1] == number  # the trial's own, the first time

    proxy.loses, proxy.late_seconds = loses, 1.0
    sender = Sender(made.path, proxy.uri)
    with pytest.raises(Exception, match="runs/create"):
        sender.sync()
    sender.sync()
    store, names = MlflowClient(server.uri), lambda: [r.info.run_name for r in every(store, key_of(made))]
    until(lambda: names().count("trial 0") == 2)
    made.epoch(0, 1, 900.0)
    made.outcome(0, "complete", 900.0)
    sender.sync()
    runs = runs_in(store, key=key_of(made))
    assert runs["trial 0"].data.metrics["valid/median_km"] == 900.0


def every(store: MlflowClient, key: str) -> list[Any]:
    experiment = store.get_experiment_by_name("geotune-demo")
    assert experiment is not None
    return list(store.search_runs([experiment.experiment_id], f"tags.`geotune.run` = '{key}'"))


def test_killed_in_the_middle_and_started_again_on_its_store(
    finished: Any, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, calls = MlflowStore.create, []

    def killing(self: MlflowStore, *arguments: Any, **words: Any) -> str:
        calls.append(1)
        if len(calls) == 3:
            server.kill()
        return create(self, *arguments, **words)

    monkeypatch.setattr(MlflowStore, "create", killing)
    sender = Sender(finished.path, f"http://127.0.0.1:{server.port}", every=0.2, warn=lambda text: None)
    sender.start()
    until(lambda: len(calls) >= 3)
    server.start()
    sender.close(seconds=60)
    check(finished, server)
