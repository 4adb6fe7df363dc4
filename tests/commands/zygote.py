"""The process that has imported what `geotune` imports and forks one for each command: `zygote.py FD`, by `forked`.

It takes orders from the socket FD, each with a command's stdout, stderr and the pipe that is told its pid and exit
code. It runs no operation of torch, so no thread but OpenBLAS's (which minds forks) is there to be lost.
"""

import atexit
import gc
import importlib
import json
import os
import resource
import runpy
import selectors
import signal
import socket
import struct
import sys
from typing import Any

from geotune.geo.countries import country_codes

IMPORTS = (
    *("torch", "torch._dynamo", "timm", "scipy.stats", "sklearn.cluster", "sklearn.neighbors", "albumentations"),
    *("ruamel.yaml", "plotly.graph_objects", "platformdirs", "shapely"),
    *("optuna", "geotune.commands.conduct", "geotune.search.prepare", "geotune.search.dry_run", "geotune.train.run"),
    *("geotune.commands.search", "geotune.commands.resume", "geotune.commands.finish", "geotune.commands.budget"),
    *("geotune.search.executors.inline", "geotune.data.augment.reference", "geotune.geo.cells.rules"),
)
NUMBER = struct.Struct("i")
CODE: list[int] = []


def serve(orders: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Fork for every order to the end; comes back in each forked process, with its order and its two pipes."""
    events = selectors.PollSelector()  # of the orders, and of each command's end: its pid and where to tell it
    events.register(orders, selectors.EVENT_READ)
    while True:
        for event in [key for key, _ in events.select()]:
            if event.data:
                pid, status = event.data
                os.write(status, NUMBER.pack(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
                events.unregister(event.fd)
                os.close(event.fd)
                os.close(status)
                continue
            text, fds, *_ = socket.recv_fds(orders, 1 << 20, 3)
            if not text:
                sys.exit()
            *pipes, status = fds
            if not (pid := os.fork()):
                others = [fd for key in events.get_map().values() if key.data for fd in (key.fd, key.data[1])]
                for fd in (orders.detach(), status, *others):
                    os.close(fd)
                return json.loads(text), pipes
            os.write(status, NUMBER.pack(pid))
            events.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, status))
            for pipe in pipes:
                os.close(pipe)


def become(order: dict[str, Any], pipes: list[int], set_by_imports: dict[str, str]) -> None:
    """Make a forked process what a fresh one would be, and run its command."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for pipe, number in zip(pipes, (1, 2), strict=True):
        os.dup2(pipe, number)
        os.close(pipe)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(set_by_imports | order["environment"])
    if limit := order["limit_kb"] * 1024:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    sys.path[0], sys.argv[1:] = order["folder"], order["words"]
    try:
        runpy.run_module("geotune", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        CODE.append(end.code)
        raise


def leave() -> None:
    """The last thing that a command does at its exit; Python would still take 800 MB of modules apart."""
    if CODE:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(CODE[0])


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for pytest, which then closes the socket
    atexit.register(leave)  # before all that is imported, so after it at the exit
    before = set(os.environ)
    for name in IMPORTS:
        importlib.import_module(name)
    added = {name: value for name, value in os.environ.items() if name not in before}
    country_codes([0.0], [0.0])  # reads the borders of the countries
    gc.freeze()
    become(*serve(socket.socket(fileno=int(sys.argv[1]))), added)
