"""Searches that cannot go well, by the real commands: each says what is wrong and how to mend it, and loses nothing."""

import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from geotune.data.demo import build_demo
from geotune.record.folder import RunFolder
from tests.commands.processes import Geotune, Process, ended, processes, wait_for

TESTED = re.compile(r"^test median [\d,.]+ km \(95 % [\d,.]+-[\d,.]+\)$")
LONG = ("executor=inline", "tracking=none", "stopping=none", "train.epochs=3000", "trials=2")


@pytest.fixture
def geotune(tmp_path: Path, tiny_data: Path) -> Iterator[Geotune]:
    with processes(tmp_path, tiny_data.parent / "cache") as start:
        yield start


def begin(geotune: Geotune, tmp_path: Path, *words: object) -> tuple[Process, Path]:
    """A search that has trained some epochs, and its run folder."""
    process = geotune("search", *words)
    run = tmp_path / "runs" / "tiny-1"
    wait_for((run / "trials" / "0000" / "metrics.jsonl").is_file, process)
    return process, run


def kill(process: Process) -> None:
    process.kill()
    process.communicate()


def epochs(run: Path) -> int:
    return len(RunFolder.open(run).trial(0).epochs())


# ------------------------------------------------------------------------------------------ before it starts


def test_every_fault_of_the_words_and_of_the_file_at_once_with_its_line(geotune: Geotune, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(
        "# What is wrong here?\nbase:\n  optim.lrr: 1\nsearch:\n  optim.lr: {lg: [1, 2]}\nfirst:\n  - {optim.lr: 1}\n"
        "sampler: gp\n"
    )
    text = ended(geotune("search", "space=bad.yaml", "seed=1", "seed=2", "tme=3h"), code=2)
    assert [line.split()[:2] for line in text.splitlines()[1:6]] == [
        ["seed", "given"],
        ["tme", "no"],
        ["bad.yaml:3", "base.optim.lrr"],
        ["bad.yaml:5", "search.optim.lr"],
        ["bad.yaml:8", "sampler"],
    ], text
    assert "Traceback" not in text
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"]


def test_a_trial_that_no_machine_can_hold(geotune: Geotune, space: Path, tiny_data: Path, tmp_path: Path) -> None:
    text = ended(geotune("search", f"space={space}", f"data={tiny_data}", "executor=inline", "cpus=640"), code=2)
    assert "a trial asks for 640 CPU; there is 1 node with " in text
    assert "Traceback" not in text
    assert list((tmp_path / "runs").iterdir()) == [], "nothing half-made stays"


# ------------------------------------------------------------------------------------------ before it goes on


@pytest.mark.slow
def test_a_second_driver_kill_9_and_a_cut_journal_lose_nothing(
    geotune: Geotune, space: Path, tiny_data: Path, tmp_path: Path
) -> None:
    words = (f"space={space}", f"data={tiny_data}", "executor=inline", "tracking=none", "stopping.rule=none")
    process, run = begin(geotune, tmp_path, *words, "train.epochs=80", "full.train.epochs=4", "trials=2")
    for command in ("resume", "finish"):
        text = ended(geotune(command, run), code=2)
        assert "another geotune is running this search" in text
        assert "Traceback" not in text
    assert process.poll() is None, "the first goes on"
    kill(process)
    assert process.returncode == -signal.SIGKILL
    before = RunFolder.open(run).trial(0).epochs()
    journal = run / "study.journal"
    journal.write_bytes(journal.read_bytes()[:-25])

    ended(geotune("resume", run))
    after = RunFolder.open(run).trial(0).epochs()
    assert after[: len(before)] == before
    assert [line["epoch"] for line in after] == list(range(1, 81))
    backend = optuna.storages.journal.JournalFileBackend(str(journal))
    study = optuna.load_study(study_name="tiny-1", storage=optuna.storages.JournalStorage(backend))
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE"]


@pytest.mark.slow
def test_data_that_changed(geotune: Geotune, space: Path, tiny_data: Path, tmp_path: Path) -> None:
    data = tmp_path / "earth"
    shutil.copytree(tiny_data, data)
    process, run = begin(geotune, tmp_path, f"space={space}", f"data={data}", *LONG)
    kill(process)
    shutil.rmtree(data)
    build_demo(data, photos=90, size=32)
    text = ended(geotune("resume", "runs/tiny-1"), code=2)
    assert "runs/tiny-1: changed since the search began" in text
    assert re.search(r"\n  data   earth \([0-9a-f]{12} -> [0-9a-f]{12}; .* train", text), text
    assert "geotune resume runs/tiny-1 --changed" in text
    assert "Traceback" not in text

    again = shlex.split(next(line for line in text.splitlines() if "warm_start=" in line).partition(": ")[2])
    assert again[:3] == ["geotune", "search", f"space={space.name}"]
    assert again[-2:] == ["warm_start=runs/tiny-1", "warm_start_other_data=true"]
    assert "2 trials to begin with" in ended(geotune(*again[1:], "--dry-run")), "the command is ready to be given"

    before = epochs(run)
    process = geotune("resume", "runs/tiny-1", "--changed")
    wait_for(lambda: epochs(run) > before, process)
    kill(process)
    assert "fingerprint" in (run / "search.yaml").read_text().partition("changes:")[0]
    assert "data: earth" in (run / "search.yaml").read_text().partition("changes:")[2]


# ------------------------------------------------------------------------------------------ while it runs


@pytest.mark.slow
def test_a_tracker_that_nobody_answers(geotune: Geotune, space: Path, tiny_data: Path) -> None:
    words = (f"space={space}", f"data={tiny_data}", "executor=inline", "tracking=http://127.0.0.1:9", "trials=1")
    out = ended(geotune("search", *words))
    assert "does not take the results" in out
    assert "geotune sync" in out
    assert TESTED.match(out.strip().splitlines()[-1]), out


@pytest.mark.slow
def test_a_file_that_may_grow_no_further(geotune: Geotune, space: Path, tiny_data: Path, tmp_path: Path) -> None:
    words = (f"space={space}", f"data={tiny_data}", "executor=inline", "tracking=none", "stopping=none")
    text = ended(geotune("search", *words, "trials=1", limit_kb=4), code=2)
    assert re.search(r"cannot be written \(File too large", text), text
    assert "geotune resume" in text
    assert "Traceback" not in text
    out = ended(geotune("resume", "runs/tiny-1"))
    assert TESTED.match(out.strip().splitlines()[-1]), out
    assert epochs(tmp_path / "runs" / "tiny-1") == 3


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB at `runs`."""
    runs = tmp_path / "runs"
    runs.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(runs)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield runs
    subprocess.run(["umount", "-l", str(runs)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["inline", pytest.param("ray", marks=pytest.mark.ray)])
def test_a_full_disk(executor: str, geotune: Geotune, space: Path, tiny_data: Path, small_disk: Path) -> None:
    words = (f"space={space}", f"data={tiny_data}", f"executor={executor}", "tracking=none", "trials=1")
    process = geotune("search", *words, "stopping=none", "train.epochs=60")
    wait_for((small_disk / "tiny-1" / "trials" / "0000" / "metrics.jsonl").is_file, process, 240)
    fill(small_disk)
    text = ended(process, code=2)
    assert re.search(r"cannot be written \(No space left on device", text), text
    assert "geotune resume" in text
    assert "Traceback" not in text

    (small_disk / "rubbish").unlink()
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    out = ended(geotune("resume", small_disk / "tiny-1"))
    assert TESTED.match(out.strip().splitlines()[-1]), out
    assert epochs(small_disk / "tiny-1") == 60


def fill(disk: Path) -> None:
    with (disk / "rubbish").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(512))
        except OSError:
            pass
