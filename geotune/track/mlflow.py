"""MLflow, behind a few calls: the only module that imports it.

All but `create` may be repeated: MLflow's SQL store keeps one row for the same (run, key, time, step, value), so values
that are sent twice, with the record's own times, change nothing.
"""

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from geotune.errors import GeotuneError
from geotune.record.public import shown

# Set before mlflow is imported. A search must not hang on a server that is away: short waits; and no tries of its
# own, for a `create` that is repeated unseen, because its answer was lost, makes two runs.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks")
METRICS, PARAMS, TAGS = 800, 100, 100
"""Entries a call; MLflow takes at most 1,000 of all kinds, and of the last two so many."""
REFUSALS = ("INVALID_PARAMETER_VALUE", "INVALID_STATE", "RESOURCE_DOES_NOT_EXIST", "BAD_REQUEST")


def check_uri(uri: str) -> None:
    """GeotuneError for a tracking URI that MLflow cannot use; nothing is asked of the network."""
    scheme = uri.partition(":")[0].partition("+")[0]
    if scheme not in SCHEMES or ":" not in uri:
        raise GeotuneError(
            f"tracking={shown(uri)}: expected the address of an MLflow server, an SQL store, or none",
            "as in tracking=http://127.0.0.1:5000, tracking=sqlite:////home/me/mlflow.db or tracking=none",
        )


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

    def find(self, tags: Mapping[str, str], by: str) -> dict[str, list[str]]:
        """Runs that have all these tags: value of the tag `by` -> their ids, the one to use first."""
        terms = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        found: dict[str, list[str]] = {}
        token = None
        while True:
            page = self._client.search_runs([self._experiment], terms, max_results=1000, page_token=token)
            for run in page:
                found.setdefault(str(run.data.tags[by]), []).append(str(run.info.run_id))
            token = page.token
            if not token:
                return {value: sorted(ids) for value, ids in found.items()}

    def create(self, tags: Mapping[str, str], name: str, started: float, parent: str | None = None) -> str:
        """A new run's id; `started` in unix seconds. Where this raises, the run may stand there all the same."""
        every = {**tags, "mlflow.source.name": "geotune", "mlflow.source.type": "LOCAL"}
        if parent:
            every["mlflow.parentRunId"] = parent
        run = self._client.create_run(self._experiment, _ms(started), every, run_name=name)
        return str(run.info.run_id)

    def delete(self, run: str) -> None:
        """Out of sight; MLflow keeps it until `mlflow gc`."""
        self._client.delete_run(run)

    def send(
        self,
        run: str,
        *,
        params: Mapping[str, Any] | None = None,
        metrics: Iterable[tuple[str, float, float, int]] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Params once for ever, metrics as (key, value, unix seconds, epoch), tags that replace older ones.

        As few calls as MLflow's limits allow.
        """
        from mlflow.entities import Metric, Param, RunTag

        wanted = [Param(key, _text(value)) for key, value in (params or {}).items()]
        marks = [RunTag(key, value) for key, value in (tags or {}).items()]
        rows = [Metric(key, float(value), _ms(when), step) for key, value, when, step in metrics]
        while wanted or marks or rows:
            self._client.log_batch(run, rows[:METRICS], wanted[:PARAMS], marks[:TAGS])
            rows, wanted, marks = rows[METRICS:], wanted[PARAMS:], marks[TAGS:]

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


def refused(error: Exception) -> bool:
    """Whether MLflow did answer, and takes this for this run no more: the others may still be sent."""
    return getattr(error, "error_code", "") in REFUSALS


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
