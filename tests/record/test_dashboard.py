"""`optuna-dashboard` opens a search's journal, also while the search runs, and shows what the record says."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from geotune.record.record import Record
from geotune.record.trial import Outcome

PROGRAM = shutil.which("optuna-dashboard", path=Path(sys.executable).parent)
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="optuna-dashboard is not installed (geotune[dev])")


@pytest.fixture
def dashboard(record: Record) -> Iterator[Callable[[str], Any]]:
    """The dashboard of the open record, on this machine alone: `dashboard("studies")` -> what its API answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = ["--host", "127.0.0.1", "--port", str(port), "--server", "wsgiref", "--quiet"]
    command = [str(PROGRAM), *where, str(record.run.journal)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(path: str) -> Any:
        while True:
            assert server.poll() is None, "the dashboard ended by itself"
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=30) as answer:
                    text = answer.read().decode()
                    return json.loads(text) if path.startswith("api/") else text
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)

    yield ask
    server.terminate()
    server.wait()


def test_it_opens_the_journal_of_a_search_that_runs(record: Record, dashboard: Callable[[str], Any]) -> None:
    for value, outcome in ((900.0, Outcome.COMPLETE), (5000.0, Outcome.STOPPED), (700.0, None)):
        trial = record.issue()
        assert trial is not None
        record.report(trial.number, trial.attempt, 1, {"valid/median_km": value, "train/seconds": 1.0})
        if outcome:
            record.finish(trial.number, trial.attempt, outcome)
    files = {path: path.read_bytes() for path in record.run.path.glob("study.journal*")}
    assert "<html" in dashboard("dashboard").lower()
    (study,) = dashboard("api/studies")["study_summaries"]
    assert (study["study_name"], study["directions"]) == (record.study.study_name, ["minimize"])
    trials = dashboard(f"api/studies/{study['study_id']}?after=0")["trials"]
    assert [trial["state"] for trial in trials[:3]] == ["Complete", "Pruned", "Running"]
    assert trials[0]["values"] == [900.0]
    assert trials[2]["intermediate_values"] == [{"step": 1, "value": 700.0}]
    first = {param["name"]: param["param_external_value"] for param in trials[0]["params"]}
    assert first["model.head.name"] == "regression"
    assert {path: path.read_bytes() for path in record.run.path.glob("study.journal*")} == files, "it only looked"
    assert record.issue() is not None, "the search goes on"
