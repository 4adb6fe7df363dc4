"""MLflow, behind four calls that may be repeated: the only module that imports it.

A run is found by its tags before one is created, and values are sent with the record's own times: MLflow's SQL store
keeps one row for the same (run, key, time, step, value), so sending twice changes nothing.
"""

import contextlib
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from geotune.errors import GeotuneError

# Set before mlflow is imported. A search must not hang on a server that is away: few tries, short waits.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks")
BATCH = 500  # entries a call; MLflow takes at most 1,000 metrics, of them 100 params, and 100 tags
PARAMS = 100


def check_uri(uri: str) -> None:
    """GeotuneError for a tracking URI that MLflow cannot use; nothing is asked of the network."""
    scheme = uri.partition(":")[0].partition("+")[0]
    if scheme not in SCHEMES or ":" not in uri:
        raise GeotuneError(
            f"tracking={shown(uri)}: expected the address of an MLflow server, an SQL store, or none",
            "as in tracking=http://127.0.0.1:5000, tracking=sqlite:////home/me/mlflow.db or tracking=none",
        )


def shown(uri: str) -> str:
    """A URI without the user and password that it may hold."""
    return re.sub(r"//[^/@]*@", "//", uri)


def store_uri(runs: Path) -> str:
    """The embedded store of a runs folder."""
    return f"sqlite:///{(runs.resolve() / 'mlflow.db').as_posix()}"


class MlflowStore:
    """One experiment at a tracking URI. Every method may raise whatever MLflow raises when it does not answer."""

    def __init__(self, uri: str, experiment: str, artifacts: Path | None = None) -> None:
        """`artifacts` is where a store that has no server in front keeps files."""
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow.tracking import MlflowClient

        for noisy in ("alembic", "mlflow", "urllib3.connectionpool"):
            logging.getLogger(noisy).setLevel(logging.ERROR)
        self._client = MlflowClient(tracking_uri=uri)
        found = self._client.get_experiment_by_name(experiment)
        if found is None:
            location = artifacts.resolve().as_uri() if artifacts and uri.startswith("sqlite:") else None
            kind = {"mlflow.experimentKind": "custom_model_development"}  # its pages open on training runs
            self._experiment = self._client.create_experiment(experiment, location, kind)
        else:
            self._experiment = found.experiment_id
            if found.lifecycle_stage == "deleted":
                self._client.restore_experiment(self._experiment)

    def has(self, run: str) -> bool:
        """False where the store does not know the run, or no longer: a store may be deleted and filled anew."""
        from mlflow.exceptions import MlflowException

        try:
            return bool(self._client.get_run(run).info.lifecycle_stage == "active")
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise

    def run(self, tags: Mapping[str, str], name: str, started: float, parent: str | None = None) -> str:
        """The id of the run that has all these tags; it is created where there is none. `started` in unix seconds."""
        terms = [f"tags.`{key}` = '{value}'" for key, value in tags.items()]
        found = self._client.search_runs([self._experiment], " and ".join(terms), max_results=1)
        if found:
            return str(found[0].info.run_id)
        every = {**tags, "mlflow.source.name": "geotune", "mlflow.source.type": "LOCAL"}
        if parent:
            every["mlflow.parentRunId"] = parent
        run = self._client.create_run(self._experiment, _ms(started), every, run_name=name)
        return str(run.info.run_id)

    def send(
        self,
        run: str,
        *,
        params: Mapping[str, Any] | None = None,
        metrics: Iterable[tuple[str, float, float, int]] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Params once for ever, metrics as (key, value, unix seconds, epoch), tags that replace older ones."""
        from mlflow.entities import Metric, Param, RunTag

        wanted = [Param(key, _text(value)) for key, value in (params or {}).items()]
        for start in range(0, len(wanted), PARAMS):
            self._client.log_batch(run, params=wanted[start : start + PARAMS])
        if tags:
            self._client.log_batch(run, tags=[RunTag(key, value) for key, value in tags.items()])
        rows = [Metric(key, float(value), _ms(when), step) for key, value, when, step in metrics]
        for start in range(0, len(rows), BATCH):
            self._client.log_batch(run, metrics=rows[start : start + BATCH])

    def status(self, run: str, status: str, ended: float | None = None) -> None:
        """RUNNING, FINISHED, FAILED or KILLED; `ended` in unix seconds for all but the first."""
        if status == "RUNNING":
            self._client.update_run(run, status=status)
        else:
            self._client.set_terminated(run, status, None if ended is None else _ms(ended))

    def files(self, run: str, paths: Iterable[Path]) -> None:
        """Copies of files beside the run; one sent before is replaced."""
        for path in paths:
            self._client.log_artifact(run, str(path))


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
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        uri,
        "--host",
        host,
        "--port",
        str(port),
    ]
    command += ["--workers", "1"]
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


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
