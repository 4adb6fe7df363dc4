"""Proof that the run folder is one and the same on every node: from each before the search, from a later one with its
first trial.

On a folder that is not shared, trials would lose their checkpoints, and results would come from one node only.
"""

import uuid
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from geotune.errors import GeotuneError

ANSWER_SECONDS = 120
"""A node that has not looked by then has none to give: its first process must start, and a dead file server hangs."""


def mark(folder: Path) -> Path:
    """Write a file of a name that was never there before: whoever finds it sees this very folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".shared-*"):  # by a search that was killed
        left.unlink(missing_ok=True)
    path = folder / f".shared-{uuid.uuid4().hex}"
    path.touch()
    return path


def unshared(path: Path) -> str:
    """What keeps this process from reading and writing where `mark` left `path`; "" where nothing does."""
    try:
        if not path.is_file():
            return f"what the search writes to {path.parent} is not seen there"
        own = path.with_name(f".node-{uuid.uuid4().hex}")
        own.touch()
        own.unlink()
    except OSError as error:
        return f"{path.parent}: {error.strerror or error}"
    return ""


def asked(node: str, path: Path) -> Any:
    """Have a node look -> Ray's reference to what `unshared` says there."""
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(num_cpus=0)(unshared).options(scheduling_strategy=there).remote(path)


def check_storage(folder: Path) -> None:
    """Have every live node read from and write into the run folder; GeotuneError names the nodes that cannot.

    A node that dies meanwhile proves nothing, and gets no trial.
    """
    path = mark(folder)
    tasks = [(node, asked(node["NodeID"], path)) for node in ray.nodes() if node["Alive"]]
    failed = []
    for node, task in tasks:
        try:
            problem = ray.get(task, timeout=ANSWER_SECONDS)
        except ray.exceptions.TaskUnschedulableError:  # Ray knows of its death before it tells of it
            continue
        except (ray.exceptions.RayError, ray.exceptions.GetTimeoutError) as error:
            problem = str(error).splitlines()[0] if _is_alive(node["NodeID"]) else ""
        if problem:
            failed.append(f"  {node['NodeManagerAddress']}  {problem}")
    path.unlink(missing_ok=True)
    if failed:
        mend = "give runs=DIR on a file system that every node shares at the same path"
        raise GeotuneError("\n".join([f"{folder}: not shared by every node", *failed]), mend)


def _is_alive(node: str) -> bool:
    return any(found["Alive"] for found in ray.nodes() if found["NodeID"] == node)
