"""`geotune train` that is interrupted: what it says, what it leaves, how it goes on; and what it writes out."""

import os
import re
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from geotune.commands import train
from geotune.config import build, flatten, load_yaml
from geotune.train import loop
from geotune.train.outcomes import Infeasible
from geotune.train.settings import TrainConfig
from tests.commands.conftest import Run
from tests.train.conftest import write

QUICK = [
    "model.backbone=test_resnet", "model.weights=none", "model.frozen_layers=5", "input.sizes=32", "out=here",
    "input.augment=none", "train.epochs=3", "train.batch_size=16", "optim.lr=1e-2", "device=cpu",
]  # fmt: skip


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"data={write(tmp_path_factory.mktemp('train') / 'town')}"


@pytest.fixture(autouse=True)
def _here(town: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOTUNE_CACHE", str(Path(town.removeprefix("data=")).parent / "cache"))
    monkeypatch.chdir(tmp_path)


def values(out: str) -> list[str]:
    """Epochs as printed, without their times."""
    return [re.sub(r"  [\d.]+ s \(.*\)", "", line) for line in out.splitlines() if line.startswith("epoch ")]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_training_goes_on_in_mid_epoch(
    geotune: Callable[..., Run], town: str, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    _, straight, _ = geotune("train", town, *QUICK[:4], *QUICK[5:], "out=straight")
    take, calls = loop.take, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 7:
            os.kill(os.getpid(), number)
        return take(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "take", interrupted)
        found, out, err = geotune("train", town, *QUICK)
    assert found == code
    assert err.strip() == "interrupted; to go on: geotune train config=here/config.yaml out=here"
    assert values(out) == values(straight)[:1]
    found, out, err = geotune("train", "config=here/config.yaml", "out=here")
    assert (found, err) == (0, "")
    assert "going on from here/partial/3-2: 1 of 3 epochs are done, and 3 of 4 steps of the next" in out.splitlines()
    assert values(out) == values(straight)[1:]
    assert not Path("here/partial").exists()


def test_an_epoch_in_words(geotune: Callable[..., Run], town: str) -> None:
    _, out, _ = geotune("train", town, *QUICK)
    line = next(line for line in out.splitlines() if line.startswith("epoch "))
    expected = (
        r"epoch 1/3  loss [\d.]+  valid median [\d,]+ m  [\d.]+ s "
        r"\([\d,]+ photos/s, \d+ % waiting, [\d,]+ MB\)  \*"
    )
    assert re.fullmatch(expected, line)


def test_a_training_that_had_ended_trains_nothing(geotune: Callable[..., Run], town: str) -> None:
    _, first, _ = geotune("train", town, *QUICK)
    code, again, err = geotune("train", town, *QUICK)
    assert (code, err) == (0, "")
    assert values(again) == []
    assert again.splitlines()[-2:] == first.splitlines()[-2:]


def test_a_trace_is_named(geotune: Callable[..., Run], town: str) -> None:
    code, out, _ = geotune("train", town, *QUICK, "train.profile=true")
    assert code == 0
    assert "trace of the first steps: here/trace.json.gz (open it in https://ui.perfetto.dev)" in out.splitlines()
    assert Path("here/trace.json.gz").is_file()


def test_a_damaged_checkpoint_of_another_version_and_the_mend(geotune: Callable[..., Run], town: str) -> None:
    geotune("train", town, *QUICK)
    newest = Path("here/checkpoint/1-3")
    shutil.rmtree("here/checkpoint/1-1")
    text = (newest / "state.json").read_text()
    (newest / "state.json").write_text(text.replace('"format": 2', '"format": 7', 1))
    code, _, err = geotune("train", town, *QUICK)
    assert code == 2
    assert "here/checkpoint/1-3: the checkpoint was written by another version of geotune" in err
    (newest / "state.json").write_text(text[:-20])
    code, _, err = geotune("train", town, *QUICK)
    assert code == 2
    assert "the checkpoint is damaged" in err
    assert "rm -r here/checkpoint/1-3" in err


def test_a_disk_that_fills_is_named_and_the_last_checkpoint_stays(
    geotune: Callable[..., Run], town: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real limit on the size of a file; with more room, the same command goes on."""
    describe, (soft, hard) = loop._describe, resource.getrlimit(resource.RLIMIT_FSIZE)

    def described(run, number, **more):
        if number == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))
        return describe(run, number, **more)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_describe", described)
        patch.setattr(train, "CHECKPOINT_SECONDS", 0.0)
        try:
            code, _, err = geotune("train", town, *QUICK)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 2, err
    assert re.search(r"here/checkpoint/1-2: cannot be written \(File too large .*: it takes [\d,]+ bytes, ", err)
    assert "make room on that disk" in err
    assert [path.name for path in Path("here/checkpoint").iterdir()] == ["1-1"]
    code, out, err = geotune("train", town, *QUICK)
    assert (code, err) == (0, "")
    assert "going on from here/checkpoint/1-1" in out


def test_the_config_writes_out_every_setting(geotune: Callable[..., Run], town: str) -> None:
    geotune("train", town, *QUICK)
    written = flatten(load_yaml(Path("here/config.yaml")))
    assert written.keys() == flatten(build(TrainConfig, {}).model_dump(mode="json")).keys()
    assert flatten(build(TrainConfig, written).model_dump(mode="json")) == written


def test_the_first_epoch_after_going_on_has_a_checkpoint(
    geotune: Callable[..., Run], town: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it went on from in mid-epoch is deleted after it: a kill within ten seconds would lose all of both."""
    describe = loop._describe
    kept: dict[int, list[str]] = {}

    def seen(run, number, **more):
        kept[number] = sorted(path.name for path in Path("here/checkpoint").glob("1-*"))
        return describe(run, number, **more)

    monkeypatch.setattr(loop, "_describe", seen)
    geotune("train", town, *QUICK)
    assert kept[2] == ["1-1"]


def test_what_does_not_fit_is_told_with_its_own_mend(
    geotune: Callable[..., Run], town: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments):
        raise Infeasible("out of memory with 64 photos at a time", "set train.norm_batch below 64")

    monkeypatch.setattr(loop, "take", full)
    code, _, err = geotune("train", town, *QUICK)
    assert code == 2
    assert "the model does not fit: out of memory with 64 photos at a time\n" in err
    assert err.splitlines()[-1].strip() == "set train.norm_batch below 64"


def test_the_same_folder_takes_other_patience_but_no_other_rate(geotune: Callable[..., Run], town: str) -> None:
    geotune("train", town, *QUICK)
    code, _, err = geotune("train", town, *QUICK, "train.patience=1", "train.max_skipped=3")
    assert (code, err) == (0, "")
    code, _, err = geotune("train", town, *[word for word in QUICK if "lr" not in word], "optim.lr=0.5")
    assert code == 2
    assert "out=here: holds a training with other settings (optim.lr=0.01, here 0.5)" in err
