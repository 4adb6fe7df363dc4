"""`geotune ui` shows the runs folder's store and leaves no server behind."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from geotune.cli import main
from geotune.track.mlflow import store_uri
from geotune.track.sender import Sender
from geotune.track.server import answers


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fails(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(["ui", *words])
    assert end.value.code == 2
    return capsys.readouterr().err


def test_without_a_store_the_mend_is_a_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = fails(capsys, f"runs={tmp_path}")
    assert "no MLflow store there yet" in said
    assert "geotune search space=demo" in said


def test_a_misspelt_setting_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean runs?" in fails(capsys, "run=here")


def test_an_option_said_as_a_setting_and_a_folder_said_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "say it as --port 5003" in fails(capsys, "port=5003")
    assert "say it as --host 0.0.0.0" in fails(capsys, "host=0.0.0.0")
    assert f"did you mean runs={tmp_path}?" in fails(capsys, str(tmp_path))


def test_a_taken_port_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mlflow.db").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = fails(capsys, f"runs={tmp_path}", "--port", str(port))
    assert f"127.0.0.1:{port} cannot be used" in said
    assert f"--port {port + 1}" in said


@pytest.mark.slow
def test_the_pages_open_a_search_can_send_to_them_and_the_server_ends(finished: Any) -> None:
    Sender(finished.path).sync()
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    words = [
        sys.executable,
        "-c",
        "from geotune.cli import main; main()",
        "ui",
        f"runs={finished.path.parent}",
        "--port",
        str(port),
    ]
    ui = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert ui.stdout is not None
        said = ""
        while "Ctrl-C" not in said:
            line = ui.stdout.readline()
            assert line, f"it ended: {said}"
            said += line
        assert address in said
        with urllib.request.urlopen(address) as page:
            assert b"MLflow" in page.read()
        second = finished.path.parent / "demo-2"
        finished.path.rename(second)
        (second / "track.json").unlink()
        Sender(second, address).sync()  # as with tracking=http://…
        Sender(second, address).sync()
        from mlflow.tracking import MlflowClient

        client = MlflowClient(store_uri(finished.path.parent))
        experiment = client.get_experiment_by_name("geotune-demo")
        assert experiment is not None
        names = [found.info.run_name for found in client.search_runs([experiment.experiment_id])]
        assert names.count("demo-2") == 1
        assert names.count("trial 0") == 2  # demo-1's and demo-2's
    finally:
        os.kill(ui.pid, signal.SIGINT)
        ui.wait(timeout=30)
    deadline = time.monotonic() + 10
    while answers("127.0.0.1", port):
        assert time.monotonic() < deadline, "the server outlived geotune ui"
        time.sleep(0.2)
