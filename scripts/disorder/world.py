"""What a search under test lives in: a tiny dataset and space, geotune's processes, a Ray cluster, an MLflow server."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from geotune.config import dump_yaml
from geotune.data.demo import build_demo
from geotune.errors import GeotuneError
from geotune.record.folder import RunFolder

MARK = "GEOTUNE_CHAOS"
"""In the environment of every process that belongs to the test: so none of anybody else's is ever hit."""
EPOCHS = 10
SPACE: dict[str, Any] = {
    "base": {
        "model.backbone": "test_resnet.r160_in1k",
        "model.weights": "none",
        "model.frozen_layers": 4,
        "input.sizes": [32],
        "train.epochs": EPOCHS,
        "train.epoch_photos": 256,  # so that an epoch is real work of some tenths of a second
        "train.batch_size": 16,
    },
    "search": {
        "model.head.name": {"choice": ["regression", "cells"]},
        "model.head.cells": {"choice": [4, 8], "when": {"model.head.name": ["cells"]}},
        "optim.lr": {"log": [1e-4, 1e-2]},
    },
    "full": {"train.epochs": EPOCHS + 2},
}


class World:
    """Everything lies in the folder `work`; `close()` ends every process of it."""

    def __init__(self, work: Path, trials: int, kinds: Collection[str], seed: int) -> None:
        """What is to be killed decides what there is.

        For nodes a Ray cluster of two, for workers a Ray that geotune starts itself, else executor=inline; for the
        server an MLflow server before the store.
        """
        self.work, self.trials, self.seed = work, trials, seed
        self.trace = work / "trace.jsonl"
        self.store = f"sqlite:///{work / 'runs' / 'mlflow.db'}"
        (work / "runs").mkdir(parents=True)
        (work / "log").mkdir()
        traced = str(Path(__file__).parent / "traced")
        known = os.environ.get("PYTHONPATH", "")
        os.environ |= {  # the cluster's nodes are started by this process and pass it on to the workers
            MARK: str(work),
            "GEOTUNE_TRACE": str(self.trace),
            "GEOTUNE_CACHE": str(work / "cache"),
            "PYTHONPATH": f"{traced}{os.pathsep}{known}" if known else traced,
            "COLUMNS": "200",
        }
        build_demo(work / "earth", photos=96, size=32)
        (work / "space.yaml").write_text(dump_yaml({"budget": {"trials": trials}, **SPACE}))
        self.search: subprocess.Popen[bytes] | None = None
        self.started = 0
        """How often geotune was started."""
        self.port = _free_port()
        self.server: subprocess.Popen[bytes] | None = None
        if "server" in kinds:
            self.serve()
        self.cluster = _cluster() if "node" in kinds else None
        self.inline = self.cluster is None and "worker" not in kinds

    # -------------------------------------------------------------------------------------------- the search

    @property
    def run(self) -> RunFolder | None:
        """The run, once the search has written what was asked."""
        found = sorted((self.work / "runs").glob("*/search.yaml"))
        return RunFolder(found[0].parent) if found else None

    def begin(self) -> None:
        """Start the search, or go on with it."""
        run = self.run
        words = ["resume", str(run.path)] if run else ["search", *self._asked()]
        self.search = self.geotune(*words)

    def _asked(self) -> list[str]:
        tracking = f"http://127.0.0.1:{self.port}" if self.server else ""
        words = [f"space={self.work / 'space.yaml'}", f"data={self.work / 'earth'}", f"runs={self.work / 'runs'}"]
        words += [f"seed={self.seed}", "cpus=1", "device=cpu", *([f"tracking={tracking}"] if tracking else [])]
        words += ["executor=inline"] if self.inline else []
        return [*words, *([f"address={self.cluster.address}"] if self.cluster else [])]

    def geotune(self, *words: str) -> "subprocess.Popen[bytes]":
        """A geotune of its own session; what it says goes to log/."""
        self.started += 1
        with (self.work / "log" / f"{self.started:03d}.txt").open("wb") as log:
            log.write(f"geotune {' '.join(words)}\n".encode())
            log.flush()
            return subprocess.Popen(
                [sys.executable, "-m", "geotune", *words],
                cwd=self.work,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def last_words(self) -> str:
        """The end of what geotune said last."""
        return (self.work / "log" / f"{self.started:03d}.txt").read_text(errors="replace")[-3000:]

    # -------------------------------------------------------------------------------------- what is around it

    def serve(self) -> None:
        """Start the MLflow server, again on the same port and store."""
        from geotune.track.server import serve

        with (self.work / "log" / "mlflow.txt").open("ab") as log:
            for _ in range(100):
                try:
                    self.server = serve(self.store, self.port, artifacts=self.work / "runs" / "mlartifacts", log=log)
                    return
                except GeotuneError:  # the killed one's socket is not given back yet
                    time.sleep(0.1)
        raise SystemExit(f"port {self.port} stays taken")

    def serves(self) -> bool:
        """Whether the MLflow server answers: not before it has made its tables, whose loss would be its own."""
        from geotune.track.server import answers

        return self.server is not None and answers("127.0.0.1", self.port)

    def settle_server(self) -> None:
        """Wait until the MLflow server answers, if there is one."""
        while self.server is not None and not self.serves():
            if self.server.poll() is not None:
                raise SystemExit(f"no MLflow server: {(self.work / 'log' / 'mlflow.txt').read_text()[-2000:]}")
            time.sleep(0.2)

    def replace(self, node: Any) -> None:
        """Another Ray node joins for one whose processes are gone."""
        assert self.cluster is not None
        self.cluster.remove_node(node, allow_graceful=False)
        self.cluster.add_node(num_cpus=1, object_store_memory=80_000_000)

    def replace_ended(self) -> int:
        """A node may end by itself where the machine does not keep up: Ray takes it for dead -> how many did."""
        nodes = list(self.cluster.worker_nodes) if self.cluster else []
        ended = [node for node in nodes if not node.remaining_processes_alive()]
        for node in ended:
            self.replace(node)
        return len(ended)

    def close(self) -> None:
        """End everything that belongs to the test."""
        if self.search is not None and self.search.poll() is None:
            self.search.kill()
            self.search.wait()
        if self.cluster is not None:
            self.cluster.shutdown()
        for pid in processes(self.work):
            end(pid, signal.SIGKILL)


def processes(work: Path) -> Iterator[int]:
    """Every process of the test but this one."""
    wanted = f"{MARK}={work}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int(folder.name) != os.getpid() and wanted in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)
        except OSError:  # ended meanwhile, or somebody else's
            continue


def end(pid: int, number: signal.Signals) -> bool:
    """Send a signal; False where the process is gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _cluster() -> Any:
    """A head that runs no trials, and two nodes for one trial each, all on this machine."""
    import importlib

    importlib.import_module("geotune.search.executors").on_loopback()  # what Ray reads when it is imported
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 80_000_000})
    for _ in range(2):
        cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
    cluster.wait_for_nodes()
    return cluster


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
