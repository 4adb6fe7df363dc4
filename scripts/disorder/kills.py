"""The kinds of kill -9, and how all processes are stopped and continued."""

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from disorder.world import World, end, processes

Kill = Callable[[World, random.Random], bool]
"""Kills something -> whether there was anything to kill."""


TRAINING = ("ray::Worker", "ray::ResourceTrainable", "ray::_task")
"""Names of the processes that train: between two calls, in one of Tune's, in the full training."""


def driver(world: World, chance: random.Random) -> bool:
    """geotune itself. Its workers notice it in their own time, as after a real kill."""
    if world.search is None or world.search.poll() is not None:
        return False
    world.search.kill()
    world.search.wait()
    return True


def worker(world: World, chance: random.Random) -> bool:
    """A process that trains: not an agent of Ray's, with which a whole node would end."""
    found = [pid for pid in processes(world.work) if _name(pid).startswith(TRAINING)]
    return bool(found) and end(chance.choice(sorted(found)), signal.SIGKILL)


def node(world: World, chance: random.Random) -> bool:
    """A Ray node with all its processes at once; another one joins for it."""
    cluster = world.cluster
    if cluster is None or not cluster.worker_nodes:
        return False
    chosen = chance.choice(sorted(cluster.worker_nodes, key=lambda node: str(node.unique_id)))
    raylets = [info.process.pid for kind in chosen.all_processes.values() for info in kind]
    for pid in [*raylets, *_descendants(raylets)]:
        end(pid, signal.SIGKILL)
    world.replace(chosen)
    return True


def server(world: World, chance: random.Random) -> bool:
    """The MLflow server and its processes; it is started again on the same store after up to five seconds."""
    if world.server is None or not world.serves():
        return False
    for pid in [world.server.pid, *_descendants([world.server.pid])]:
        end(pid, signal.SIGKILL)
    world.server.wait()
    time.sleep(chance.uniform(0, 5))
    world.serve()
    return True


KINDS: dict[str, Kill] = {"driver": driver, "worker": worker, "node": node, "server": server}


def pause(world: World, seconds: float) -> int:
    """Stop every process of the test, as a laptop that sleeps, and continue them -> how many."""
    found: set[int] = set()
    while new := {pid for pid in processes(world.work) if pid not in found}:  # until none is forked meanwhile
        found |= {pid for pid in new if end(pid, signal.SIGSTOP)} | new
    time.sleep(seconds)
    for pid in found:
        end(pid, signal.SIGCONT)
    return len(found)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
    except OSError:
        return ""


def _descendants(pids: list[int]) -> list[int]:
    """All processes below these."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
    found: list[int] = []
    below = set(pids)
    while below:
        below = {pid for pid, parent in parents.items() if parent in below}
        found += below
    return found
