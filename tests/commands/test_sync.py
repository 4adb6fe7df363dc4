"""`geotune sync` sends what is left, says how much, and where it cannot."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from mlflow.tracking import MlflowClient

from geotune.config import dump_yaml, load_yaml
from geotune.record.folder import RunFolder
from geotune.track.mlflow import store_uri
from geotune.track.sender import Sender
from tests.commands.conftest import Run
from tests.track.conftest import assert_complete, empty_store, runs_in

__all__ = ["empty_store"]
Geotune = Callable[..., Run]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, empty_store: Path) -> None:
    (tmp_path / "runs").mkdir(exist_ok=True)
    (tmp_path / "runs" / "mlflow.db").write_bytes(empty_store.read_bytes())


def test_what_is_left_is_sent_once(finished: Any, geotune: Geotune) -> None:
    code, out, _ = geotune("sync", finished.path)
    assert code == 0
    assert "sent 21 values" in out
    assert "of 4 trials, to MLflow (sqlite:" in out
    code, out, _ = geotune("sync", finished.path)
    assert code == 0
    assert "everything stands in MLflow already" in out
    assert_complete(MlflowClient(store_uri(finished.path.parent)))


def test_what_a_killed_search_leaves_is_not_running(hand_made: Any, geotune: Geotune) -> None:
    made = hand_made("demo-1")
    made.trial(0)
    made.epoch(0, 1, 900.0)
    Sender(made.path).sync()
    client = MlflowClient(store_uri(made.path.parent))
    assert {run.info.status for run in runs_in(client).values()} == {"RUNNING"}
    with FileLock(f"{RunFolder(made.path).journal}.lock"):  # its driver lives
        assert geotune("sync", made.path)[0] == 0
    assert {run.info.status for run in runs_in(client).values()} == {"RUNNING"}
    assert geotune("sync", made.path)[0] == 0
    assert {run.info.status for run in runs_in(client).values()} == {"KILLED"}


def test_where_it_cannot_send(finished: Any, geotune: Geotune, tmp_path: Path) -> None:
    code, _, err = geotune("sync", finished.path, "tracking=http://me:secret@127.0.0.1:9")
    assert code == 2
    assert "MLflow (http://127.0.0.1:9) does not take the results" in err
    assert "nothing is lost: try again when it answers" in err
    assert "secret" not in err
    code, _, err = geotune("sync", finished.path, "tracking=mlruns")
    assert code == 2
    assert "expected the address of an MLflow server" in err
    code, _, err = geotune("sync", finished.path, "trackin=x")
    assert code == 2
    assert "did you mean tracking?" in err
    code, _, err = geotune("sync", tmp_path)
    assert code == 2
    assert "not the folder of a search" in err


def test_a_search_without_tracking_is_sent_where_it_is_told(
    finished: Any, geotune: Geotune, tmp_path: Path, empty_store: Path
) -> None:
    asked = load_yaml(finished.path / "search.yaml")
    asked["settings"]["tracking"] = "none"
    (finished.path / "search.yaml").write_text(dump_yaml(asked))
    code, _, err = geotune("sync", finished.path)
    assert code == 2
    assert "its results go nowhere (tracking=none)" in err
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mlflow.db").write_bytes(empty_store.read_bytes())
    code, out, _ = geotune("sync", finished.path, f"tracking={store_uri(tmp_path / 'other')}")
    assert code == 0, out
    assert_complete(
        MlflowClient(store_uri(tmp_path / "other")), json.loads((finished.path / "track.json").read_text())["key"]
    )
