"""MLflow's own server, for `geotune ui`: started on a store, asked whether it answers, ended."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

from geotune.errors import GeotuneError
from geotune.track.mlflow import ENVIRONMENT


def serve(
    uri: str,
    port: int,
    host: str = "127.0.0.1",
    *,
    artifacts: Path | None = None,
    log: IO[bytes] | int = subprocess.DEVNULL,
) -> "subprocess.Popen[bytes]":
    """Start MLflow's server on a store; it belongs to the caller, who ends it with `stop`. What it says goes to `log`.

    Raises GeotuneError where the port is taken.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise GeotuneError(
                f"{host}:{port} cannot be used ({error.strerror})", f"choose another port, as in --port {port + 1}"
            ) from None
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    command += ["--host", host, "--port", str(port), "--workers", "1"]
    if artifacts:
        command += ["--artifacts-destination", artifacts.resolve().as_uri()]
    quiet = ENVIRONMENT | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # 10 s to start instead of 40
    # Its own session: Ctrl-C reaches the caller alone, which then ends the server and the workers that it started.
    return subprocess.Popen(
        command,
        env=quiet | dict(os.environ),
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )


def answers(host: str, port: int) -> bool:
    """Whether an MLflow server answers there."""
    host = f"[{host}]" if ":" in host else host
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/health", timeout=5) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def stop(server: "subprocess.Popen[bytes]", seconds: float = 10) -> None:
    """End a server of `serve` with all its processes."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(server.pid, sign)
        deadline = time.monotonic() + seconds
        while server.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
