"""Every value stands in MLflow exactly once, whatever happens to MLflow, the cursor or the process."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from mlflow.tracking import MlflowClient

from geotune.config import dump_yaml, load_yaml
from geotune.errors import GeotuneError
from geotune.report.page import write_report
from geotune.track.mlflow import store_uri
from geotune.track.sender import NullSender, Sender, catch_up, open_sender
from tests.track.conftest import assert_complete, history, runs_in


@pytest.fixture(autouse=True)
def store(tmp_path: Path, empty_store: Path) -> MlflowClient:
    (tmp_path / "runs").mkdir(exist_ok=True)
    (tmp_path / "runs" / "mlflow.db").write_bytes(empty_store.read_bytes())
    return MlflowClient(store_uri(tmp_path / "runs"))


def test_a_finished_search_stands_there_once_after_repeated_syncs(finished: Any, store: MlflowClient) -> None:
    Sender(finished.path).sync()
    assert_complete(store)
    sender = Sender(finished.path)
    sender.sync()
    sender.sync()
    assert_complete(store)


def test_a_lost_or_older_cursor_changes_nothing(finished: Any, store: MlflowClient) -> None:
    cursor = finished.path / "track.json"
    Sender(finished.path).sync()
    key = json.loads(cursor.read_text())["key"]
    cursor.write_text(
        json.dumps({"key": key, "tracking": store_uri(finished.path.parent), "runs": {}})
    )  # killed at once
    Sender(finished.path).sync()
    assert_complete(store)
    content = json.loads(cursor.read_text())
    assert content["closed"] == [[0, 3]]
    content["closed"] = [[1, 1], [3, 3]]  # 2: killed between the run and the cursor
    one = runs_in(store)["trial 0"].info.run_id
    content["runs"]["0"] = {"id": one, "epoch": 1}  # killed after two more epochs were sent
    del content["runs"]["search"]["test"]
    cursor.write_text(json.dumps(content))
    Sender(finished.path).sync()
    assert_complete(store)


def test_a_process_killed_in_mid_sync_leaves_no_double(finished: Any, store: MlflowClient) -> None:
    """The child dies at once after its second batch of metrics, before any cursor for it is written."""
    code = f"""
import os
from pathlib import Path
from geotune.track import mlflow, sender
real, calls = mlflow.MlflowStore.send, []
def send(self, run, **what):
    real(self, run, **what)
    calls.append(run)
    if len(calls) == 3:
        os._exit(9)
mlflow.MlflowStore.send = send
sender.Sender(Path({str(finished.path)!r})).sync()
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert 1 < len(runs_in(store)) < 6
    Sender(finished.path).sync()
    assert_complete(store)


def test_a_growing_search_is_followed(hand_made: Any, store: MlflowClient) -> None:
    made = hand_made("demo-1")
    sender = Sender(made.path)
    sender.sync()
    assert runs_in(store)["demo-1"].info.status == "RUNNING"
    made.trial(0, optim__lr=0.001)
    made.epoch(0, 1, 900.0)
    sender.sync()
    trial = runs_in(store)["trial 0"]
    assert (trial.info.status, trial.data.metrics["valid/median_km"]) == ("RUNNING", 900.0)
    made.trial(1, optim__lr=0.002, input__augment="none")
    made.epoch(0, 2, 800.0)
    made.outcome(0, "complete", 800.0)
    sender.sync()
    runs = runs_in(store)
    assert runs["trial 0"].data.metrics["valid/median_km"] == 800.0
    assert runs["trial 0"].info.status == "FINISHED"
    assert runs["trial 1"].data.params["optim.lr"] == "0.002"
    assert "input.augment" not in runs["trial 1"].data.params  # pinned: the same in all
    sender.close()
    assert {n: r.info.status for n, r in runs_in(store).items()} == {
        "demo-1": "KILLED",
        "trial 0": "FINISHED",
        "trial 1": "KILLED",
    }
    Sender(made.path).sync()  # resumed
    assert runs_in(store)["trial 1"].info.status == "RUNNING"


def test_torn_lines_are_left_for_later(hand_made: Any, store: MlflowClient) -> None:
    made = hand_made("demo-1")
    made.trial(0)
    made.epoch(0, 1, 900.0)
    with (made.path / "trials" / "0000" / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 2, "time": 17')
    Sender(made.path).sync()
    assert [step for step, _, _ in history(store, runs_in(store)["trial 0"], "valid/median_km")] == [1]


def test_start_and_close_send_everything_with_the_files(finished: Any, store: MlflowClient) -> None:
    (finished.path / "report.html").write_text("<p>hello</p>")
    sender = Sender(finished.path, every=0.05)
    sender.start()
    sender.close(seconds=60)
    assert_complete(store)
    names = {file.path for file in store.list_artifacts(runs_in(store)["demo-1"].info.run_id)}
    assert names == {"search.yaml", "best.yaml", "report.html"}
    assert list((finished.path.parent / "mlartifacts").rglob("report.html"))


def test_what_others_see_holds_no_secret(finished: Any, store: MlflowClient) -> None:
    asked = load_yaml(finished.path / "search.yaml")
    secrets = {"tracking": "http://me:s3@hunter2@127.0.0.1:9", "notify": "curl https://chat/s3@hunter2"}
    asked["settings"] |= secrets
    asked["words"] = [f"{key}={value}" for key, value in secrets.items()]
    (finished.path / "search.yaml").write_text(dump_yaml(asked))
    write_report(finished.path)
    Sender(finished.path).sync("KILLED")
    sent = [path for path in (finished.path.parent / "mlartifacts").rglob("*") if path.is_file()]
    assert {path.name for path in sent} == {"search.yaml", "best.yaml", "report.html"}
    assert not [path for path in sent if "hunter2" in path.read_text()]
    assert load_yaml(next(path for path in sent if path.name == "search.yaml"))["space"] == asked["space"]
    params = runs_in(store)["demo-1"].data.params
    assert params["notify"] == "(not shown)"
    assert "tracking" not in params


def test_a_deleted_store_is_filled_anew(finished: Any, store: MlflowClient, empty_store: Path) -> None:
    Sender(finished.path).sync()
    (finished.path.parent / "mlflow.db").write_bytes(empty_store.read_bytes())
    Sender(finished.path).sync()
    assert_complete(MlflowClient(store_uri(finished.path.parent)))


def test_one_run_deleted_by_hand_keeps_back_no_other(hand_made: Any, store: MlflowClient) -> None:
    made = hand_made("demo-1")
    made.trial(0, optim__lr=0.1)
    made.trial(1, optim__lr=0.2)
    sender = Sender(made.path)
    sender.sync()
    store.delete_run(runs_in(store)["trial 0"].info.run_id)
    made.epoch(0, 1, 900.0)
    made.epoch(1, 1, 800.0)
    with pytest.raises(Exception, match="deleted"):
        sender.sync()
    assert runs_in(store)["trial 1"].data.metrics["valid/median_km"] == 800.0
    made.finish(1)
    with pytest.raises(Exception, match="deleted"):
        sender.sync("KILLED")
    assert runs_in(store)["demo-1"].info.status == "FINISHED", "nor the end of the search"


def test_another_process_that_sends_elsewhere_in_between_makes_nothing_twice(
    finished: Any, store: MlflowClient, tmp_path: Path, empty_store: Path
) -> None:
    sender = Sender(finished.path)
    outcome = finished.path / "trials" / "0000" / "outcome.json"
    ended = outcome.read_text()
    outcome.unlink()
    sender.sync()
    other = tmp_path / "other"
    other.mkdir()
    (other / "mlflow.db").write_bytes(empty_store.read_bytes())
    Sender(finished.path, store_uri(other)).sync()
    outcome.write_text(ended)
    sender.sync()
    assert_complete(store)
    Sender(finished.path, store_uri(other)).sync()
    assert_complete(MlflowClient(store_uri(other)))


def test_a_full_training_that_gave_way_to_another_runs_no_more(hand_made: Any, store: MlflowClient) -> None:
    made = hand_made("demo-1")
    for number in (0, 1):
        made.trial(number, optim__lr=0.1 + number)
        made.epoch(number, 1, 900.0 + number)
        made.outcome(number, "complete", 900.0 + number)
    made.finish(0)
    tested = (made.path / "final.json").read_text()
    (made.path / "final.json").unlink()
    sender = Sender(made.path)
    sender.sync()
    config = (made.path / "trials" / "0001" / "config.yaml").read_text()  # the first one diverged, say
    (made.path / "final" / "config.yaml").write_text(config)
    sender.sync()
    (made.path / "final.json").write_text(tested)
    sender.sync("KILLED")
    experiment = store.get_experiment_by_name("geotune-demo")
    assert experiment is not None
    every = store.search_runs([experiment.experiment_id])
    assert sorted(r.info.status for r in every if r.info.run_name == "full training") == ["FINISHED", "KILLED"]


@pytest.mark.parametrize("held_to_the_end", [False, True])
def test_the_last_pass_waits_for_another_process_or_says_that_it_did_not(
    finished: Any, store: MlflowClient, held_to_the_end: bool
) -> None:
    said: list[str] = []
    lock = FileLock(f"{finished.path / 'track.json'}.lock", thread_local=False)
    lock.acquire()
    sender = Sender(finished.path, warn=said.append)
    if held_to_the_end:
        sender.close(0.2)
        assert any(f"geotune sync {finished.path}" in text for text in said)
        lock.release()
        return
    threading.Timer(0.5, lock.release).start()
    sender.close(60)
    assert said == []
    assert_complete(store)


def test_an_outage_gives_one_warning_and_costs_nothing(
    finished: Any, store: MlflowClient, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []
    sender = Sender(
        finished.path, "http://me:secret@127.0.0.1:9", every=0.01, warn=said.append
    )  # nothing listens there
    sender.start()
    time.sleep(0.3)
    sender.close(seconds=30)
    assert len(said) == 2
    assert said[1] == f"MLflow does not have all results; what is missing is sent by geotune sync {finished.path}"
    assert not caplog.records, "libraries said more"
    assert "(http://127.0.0.1:9)" in said[0]
    assert "secret" not in said[0] + (finished.path / "track.json").read_text()
    assert "The search goes on" in said[0]
    Sender(finished.path).sync()  # elsewhere, later: nothing is missing
    assert_complete(store)


def test_catch_up_sends_what_a_kill_left_out(finished: Any, store: MlflowClient) -> None:
    key = {"key": "abc", "tracking": store_uri(finished.path.parent), "runs": {}}
    (finished.path / "track.json").write_text(json.dumps(key))
    assert catch_up(finished.path.parent) == []
    assert_complete(store)


def test_no_tracking_writes_nothing(finished: Any, store: MlflowClient) -> None:
    sender = open_sender(finished.path, "none")
    assert type(sender) is NullSender
    sender.start()
    sender.sync()
    sender.close()
    assert runs_in(store) == {}
    assert not (finished.path / "track.json").exists()


def test_a_wrong_address_is_said_before_anything_starts(finished: Any) -> None:
    for wrong in ("mlruns", "htp://127.0.0.1:5000", "file:///tmp/mlruns"):
        with pytest.raises(GeotuneError, match=f"tracking={wrong}: expected the address of an MLflow server") as caught:
            open_sender(finished.path, wrong)
        assert "tracking=none" in caught.value.hint
    assert isinstance(open_sender(finished.path, "http://127.0.0.1:5000"), Sender)
