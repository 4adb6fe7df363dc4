"""The Ray that trials run on: one of our own on 127.0.0.1, or a running cluster that is joined."""

import importlib.util
import logging
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import ray

from geotune.data.threads import local_cpus
from geotune.errors import GeotuneError
from geotune.record.plan import SearchSettings
from geotune.search.executors.ray_nodes import offer
from geotune.search.executors.ray_storage import check_storage
from geotune.search.machine import Offer, Shape
from geotune.train.outcomes import Diverged, Infeasible

__all__ = ["check_storage", "cluster", "offer", "on_worker"]

T = TypeVar("T")
LONGEST_TEMPORARY = 36
"""Characters of the folder for temporary files: below it Ray's sockets take up to 70, and Linux allows paths of 107."""


@contextmanager
def cluster(settings: SearchSettings) -> Iterator[Offer]:
    """A Ray of our own on 127.0.0.1, or the running one that `address` names; yields what it offers."""
    mine = not ray.is_initialized()
    if mine:
        try:
            _connect(settings)
        except OSError as error:  # ConnectionError is one
            if not settings.address:
                raise GeotuneError(f"Ray does not start here: {error}", "executor=inline searches without it") from None
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
    if settings.dashboard and importlib.util.find_spec("aiohttp_cors") is None:
        raise GeotuneError("dashboard=true: Ray's dashboard is not installed", "pip install 'ray[default]'")
    ray.init(
        address="local",  # or it would join whatever cluster this machine happens to be part of
        num_cpus=local_cpus(),
        include_dashboard=settings.dashboard,
        dashboard_host="127.0.0.1",
        object_store_memory=100 * 1024 * 1024,  # trials read memory-mapped files, not Ray objects
        _node_ip_address="127.0.0.1",
        **_short_temporary(),
        **quiet,
    )


def _short_temporary() -> dict[str, str]:
    """Another folder for Ray's sockets where that for temporary files has a long name, as under many schedulers."""
    long = len(tempfile.gettempdir()) > LONGEST_TEMPORARY and "RAY_TMPDIR" not in os.environ and os.name == "posix"
    return {"_temp_dir": f"/tmp/ray-{os.getuid()}"} if long else {}


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
