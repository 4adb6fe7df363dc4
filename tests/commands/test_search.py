"""`geotune search`, `resume` and `finish` as a user runs them: real processes, real trainings, real signals."""

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from geotune.record.folder import RunFolder, read_json
from tests.commands.processes import Geotune, ended, processes, wait_for

LAST_LINE = re.compile(r"^test median [\d,.]+ km \(95 % [\d,.]+-[\d,.]+\)$")


@pytest.fixture
def geotune(tmp_path: Path, tiny_data: Path) -> Iterator[Geotune]:
    with processes(tmp_path, tiny_data.parent / "cache") as start:
        yield start


@pytest.mark.slow
def test_a_search_ends_with_a_tested_model_and_stands_in_mlflow(
    geotune: Geotune, space: Path, tiny_data: Path, tmp_path: Path
) -> None:
    out = ended(geotune("search", f"space={space}", f"data={tiny_data}", "executor=inline", "trials=3", fresh=True))
    assert LAST_LINE.match(out.strip().splitlines()[-1]), out
    run = RunFolder.open(tmp_path / "runs" / "tiny-1")
    final = read_json(run.final_json)
    assert final["metrics"]["test/median_km"] > 0
    assert final["low"] <= final["metrics"]["test/median_km"] <= final["high"]
    assert final["intervals"]["test/median_km"] == [final["low"], final["high"]]
    assert final["intervals"].keys() == {
        name for name in final["metrics"] if "median_low" not in name and "median_high" not in name
    }
    assert len(run.final.epochs()) == 4, "the space's `full` settings hold"
    assert run.report.is_file()

    client = MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    parents = [r for r in runs if "mlflow.parentRunId" not in r.data.tags]
    assert len(parents) == 1
    children = [r for r in runs if r.data.tags.get("mlflow.parentRunId") == parents[0].info.run_id]
    assert len(children) == 4, "three trials and the full training"
    for child in children:
        history = client.get_metric_history(child.info.run_id, "valid/median_km")
        assert [m.step for m in history] == list(range(1, len(history) + 1))
        assert "model.head.name" in child.data.params

    photo = tmp_path / "photo.jpg"
    from geotune.data.dataset import open_dataset

    photo.write_bytes(open_dataset(tiny_data).split("test").photo(0))
    predicted = json.loads(ended(geotune("predict", run.model, photo, "--json")))
    assert -90 <= predicted[0]["latitude"] <= 90
    evaluated = ended(geotune("evaluate", run.model, f"data={tiny_data}"))
    assert f"{final['metrics']['test/median_km']:,.0f}" in evaluated
    before = run.final_json.read_bytes()
    again = ended(geotune("resume", run.path))
    assert again.strip().splitlines()[-1] == out.strip().splitlines()[-1]
    assert run.final_json.read_bytes() == before, "the test split is touched once"


def listening(mark: str) -> list[str]:
    """Addresses on which Ray's processes of this test listen: those with `mark` in their environment."""
    lines = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout.splitlines()
    found = []
    for line in lines:
        pids = re.findall(r"pid=(\d+)", line)
        if re.search(r"raylet|gcs_server|ray::", line) and any(mark in environment_of(pid) for pid in pids):
            found.append(line.split()[3])
    return found


def environment_of(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_text()
    except OSError:
        return ""


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["inline", pytest.param("ray", marks=pytest.mark.ray)])
def test_ctrl_c_keeps_everything_and_says_how_to_go_on(
    executor: str, geotune: Geotune, space: Path, tiny_data: Path, tmp_path: Path
) -> None:
    words = (f"space={space}", f"data={tiny_data}", f"executor={executor}", "tracking=none", "stopping.rule=none")
    process = geotune("search", *words, "train.epochs=3000", "trials=1")
    trial = tmp_path / "runs" / "tiny-1" / "trials" / "0000"
    wait_for((trial / "metrics.jsonl").is_file, process)
    if executor == "ray" and shutil.which("ss"):
        heard = listening(str(tiny_data.parent / "cache"))
        assert heard, "Ray's servers are found"
        assert all("127.0.0.1" in address for address in heard), heard
    process.send_signal(signal.SIGINT)
    out = ended(process, code=130)
    assert "geotune resume runs/tiny-1" in out
    assert "geotune finish runs/tiny-1" in out
    done = len(RunFolder.open(tmp_path / "runs" / "tiny-1").trial(0).epochs())
    assert done >= 1

    out = ended(geotune("finish", "runs/tiny-1"))
    assert LAST_LINE.match(out.strip().splitlines()[-1]), out


@pytest.mark.slow
@pytest.mark.ray
def test_a_search_on_a_running_cluster(
    geotune: Geotune, space: Path, tiny_data: Path, two_nodes: str, tmp_path: Path
) -> None:
    words = (f"space={space}", f"data={tiny_data}", f"address={two_nodes}", "gpus=0.5", "cpus=0.5", "device=cpu")
    out = ended(geotune("search", *words, "trials=2", "tracking=none"))
    assert "4 trials at once, 0.5 CPU and 0.5 GPU each" in out
    assert LAST_LINE.match(out.strip().splitlines()[-1]), out
    assert len(list((tmp_path / "runs" / "tiny-1" / "trials").iterdir())) == 2


def test_no_cluster_at_an_address(geotune: Geotune, space: Path, tiny_data: Path, tmp_path: Path) -> None:
    text = ended(geotune("search", f"space={space}", f"data={tiny_data}", "address=127.0.0.1:1"), code=2)
    assert "no Ray cluster answers" in text
    assert "ray up cluster.yaml" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["space=dmeo"], "did you mean demo?"),
        (["space=demo", "model.haed.name=cells"], "did you mean model.head.name?"),
        (["space=demo", "trials=abc"], "trials"),
        (["space=demo", "data=nowhere"], "nowhere"),
        (["space=demo", "time=15"], "as in 90s"),
    ],
)
def test_bad_words_exit_2_and_write_nothing(geotune: Geotune, tmp_path: Path, words: list[str], said: str) -> None:
    text = ended(geotune("search", *words), code=2)
    assert said in text
    assert "Traceback" not in text
    assert list(tmp_path.iterdir()) == []


def test_search_alone_lists_the_spaces(geotune: Geotune) -> None:
    out = ended(geotune("search"))
    for name in ("demo", "img2gps", "img2gps_cpu", "geolocator"):
        assert re.search(rf"^{name}\s+\S.*[?.]", out, re.MULTILINE)


def test_dry_run_looks_at_the_data(geotune: Geotune, space: Path, tiny_data: Path, tmp_path: Path) -> None:
    data = tmp_path / "cut"
    shutil.copytree(tiny_data, data)
    shard = data / "valid" / "shard_0.msg"
    shard.write_bytes(shard.read_bytes()[:-50])
    said = ended(geotune("search", f"space={space}", f"data={data}", "--dry-run"), code=2)
    assert "shard_0.msg is cut off" in said


def test_dry_run_draws_and_writes_nothing(geotune: Geotune, space: Path, tiny_data: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    out = ended(geotune("search", f"space={space}", f"data={tiny_data}", "--dry-run"))
    assert len(re.findall(r"^  \d: head=", out, re.MULTILINE)) == 4, "as many as there are trials, at most five"
    assert sorted(tmp_path.iterdir()) == before


def test_resuming_what_is_no_run(geotune: Geotune, tmp_path: Path) -> None:
    assert "not the folder of a search" in ended(geotune("resume", "nowhere"), code=2)
