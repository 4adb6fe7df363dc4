"""The Ray that trials run on: one of our own on 127.0.0.1, or a running cluster; what it offers, what it must share."""

import logging
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from geotune.data.threads import local_cpus
from geotune.errors import GeotuneError
from geotune.record.plan import SearchSettings
from geotune.search.machine import Offer, Shape
from geotune.train.outcomes import Diverged, Infeasible

T = TypeVar("T")


@contextmanager
def cluster(settings: SearchSettings) -> Iterator[Offer]:
    """A Ray of our own on 127.0.0.1, or the running one that `address` names; yields what it offers."""
    mine = not ray.is_initialized()
    if mine:
        try:
            _connect(settings)
        except OSError as error:  # ConnectionError is one
            mend = "start it with `ray up cluster.yaml`, or leave address= out for a Ray on this machine"
            raise GeotuneError(f"address={settings.address}: no Ray cluster answers ({error})", mend) from None
    try:
        yield offer()
    finally:
        if mine:
            ray.shutdown()


def _connect(settings: SearchSettings) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    if settings.address:
        host, colon, port = settings.address.removeprefix("ray://").rpartition(":")
        if colon and port.isdigit():
            socket.create_connection((host, int(port)), timeout=10).close()  # Ray itself would try for minutes
        ray.init(address=settings.address, **quiet)
        return
    ray.init(
        address="local",  # or it would join whatever cluster this machine happens to be part of
        num_cpus=local_cpus(),
        include_dashboard=False,
        object_store_memory=100 * 1024 * 1024,  # trials read memory-mapped files, not Ray objects
        _node_ip_address="127.0.0.1",
        **quiet,
    )


def offer() -> Offer:
    """What the live nodes have."""
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return Offer(tuple((node.get("CPU", 0.0), node.get("GPU", 0.0)) for node in alive))


def on_worker(one: Shape, function: Callable[..., T], *arguments: Any) -> T:
    """Call a function as one Ray task with a trial's resources, on whichever node has them; Ctrl-C ends it."""
    task = ray.remote(num_cpus=one.cpus, num_gpus=one.gpus, max_retries=3)(function)
    reference = task.remote(*arguments)
    try:
        result: T = ray.get(reference)
    except KeyboardInterrupt:
        ray.cancel(reference, force=True)
        raise
    except ray.exceptions.RayTaskError as error:
        expected = isinstance(error.cause, GeotuneError | Diverged | Infeasible)
        raise error.cause if expected else error from None
    return result


def check_storage(folder: Path) -> None:
    """Write from every live node into the run folder and read it here; GeotuneError names the nodes that cannot.

    On a folder that is not shared, trials would lose their checkpoints, and results would come from one node only.
    """
    tasks, write = {}, ray.remote(num_cpus=0)(_write)
    for node in ray.nodes():
        if node["Alive"]:
            place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            mark = folder / f".node-{uuid.uuid4().hex}"
            tasks[mark] = (node["NodeManagerAddress"], write.options(scheduling_strategy=place).remote(str(mark)))
    failed = []
    for mark, (address, task) in tasks.items():
        try:
            problem = ray.get(task, timeout=60)
        except (ray.exceptions.RayError, ray.exceptions.GetTimeoutError) as error:
            problem = str(error).splitlines()[0]
        if not problem and not mark.is_file():
            problem = "what it writes there is not seen here"
        mark.unlink(missing_ok=True)
        if problem:
            failed.append(f"  {address}  {problem}")
    if failed:
        mend = "give runs=DIR on a file system that every node shares at the same path"
        raise GeotuneError("\n".join([f"{folder}: not shared by every node", *failed]), mend)


def _write(path: str) -> str:
    try:
        Path(path).write_text("", encoding="utf-8")
    except OSError as error:
        return str(error.strerror or error)
    return ""
