"""A nested state on disk: bit for bit, whole or absent."""

import json
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from geotune import __version__
from geotune.errors import GeotuneError
from geotune.train.checkpoint import TENSORS, TREE, Damaged, load, save


def a_state() -> dict:
    torch.manual_seed(0)
    model = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.rand(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "metrics": {"valid/median_m": 0.1 + 0.2, "worst": math.inf},
        "epoch": 3,
        "none": None,
        "betas": (0.9, 0.999),
        "half": torch.rand(5).half(),
        "$odd": ["text", True],
    }


def test_a_state_comes_back_bit_for_bit(tmp_path):
    state = a_state()
    save(tmp_path / "c", state)
    back = load(tmp_path / "c")
    assert back["metrics"] == state["metrics"]
    assert (back["epoch"], back["none"], back["betas"]) == (3, None, (0.9, 0.999))
    assert back["$odd"] == ["text", True]
    assert back["half"].dtype == torch.float16
    assert torch.equal(back["half"], state["half"])
    assert list(back["optimizer"]["state"]) == [0, 1]  # numbers, as Optimizer.load_state_dict wants them
    for index, kept in state["optimizer"]["state"].items():
        for name, tensor in kept.items():
            assert torch.equal(back["optimizer"]["state"][index][name], tensor)
    weight = back["model"]["weight"]
    assert torch.equal(weight, state["model"]["weight"])
    assert weight.stride() == state["model"]["weight"].stride()  # channels_last stays: it decides how sums round


def test_tensors_that_share_memory_are_saved(tmp_path):
    tensor = torch.arange(6.0)
    save(tmp_path / "c", {"a": tensor, "b": tensor, "c": tensor[2:]})
    assert torch.equal(load(tmp_path / "c")["c"], tensor[2:])


def test_saving_again_replaces(tmp_path):
    save(tmp_path / "c", {"epoch": 1})
    save(tmp_path / "c", {"epoch": 2})
    assert load(tmp_path / "c")["epoch"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_what_cannot_be_held_is_our_bug_and_leaves_nothing(tmp_path):
    with pytest.raises(TypeError, match="a/x: a checkpoint cannot hold a set"):
        save(tmp_path / "c", {"a": {"x": {1, 2}}})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "damage",
    [
        lambda c: os.truncate(c / TENSORS, (c / TENSORS).stat().st_size - 3),
        lambda c: os.truncate(c / TREE, 40),
        lambda c: (c / TENSORS).unlink(),
        lambda c: (c / TREE).unlink(),
        lambda c: (c / TREE).write_text("[]"),
        lambda c: (c / TREE).write_text('{"format": 2}'),
        lambda c: (c / TENSORS).write_bytes(b"\0" * (c / TENSORS).stat().st_size),
        lambda c: flip_last_bit(c / TENSORS),
    ],
)
def test_a_damaged_one_is_refused(tmp_path, damage):
    save(tmp_path / "c", a_state())
    damage(tmp_path / "c")
    with pytest.raises(Damaged, match="c: the checkpoint is damaged"):
        load(tmp_path / "c")


def flip_last_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_what_a_changed_one_says(tmp_path):
    save(tmp_path / "c", a_state())
    flip_last_bit(tmp_path / "c" / TENSORS)
    with pytest.raises(Damaged) as caught:
        load(tmp_path / "c")
    assert str(caught.value) == (
        f"{tmp_path}/c: the checkpoint is damaged ({TENSORS} is not what was written: its SHA-256 differs)\n"
        f"  Delete it, and the training starts from an earlier one or anew: rm -r {tmp_path}/c"
    )


def test_one_of_another_version_is_refused(tmp_path):
    """With an earlier one in its place nothing would be mended: it is no `Damaged`."""
    save(tmp_path / "c", a_state())
    document = json.loads((tmp_path / "c" / TREE).read_text())
    (tmp_path / "c" / TREE).write_text(json.dumps(document | {"format": 1, "geotune": "0.0.9"}))
    expected = rf"another version of geotune \(0.0.9, format 1; this is {__version__}, format 2\)"
    with pytest.raises(GeotuneError, match=expected) as caught:
        load(tmp_path / "c")
    assert not isinstance(caught.value, Damaged)


def test_a_missing_one_is_refused(tmp_path):
    with pytest.raises(Damaged, match="no such checkpoint"):
        load(tmp_path / "c")


def test_a_disk_that_fills_leaves_the_one_before(tmp_path):
    """A real limit: no file of the process may grow beyond 100,000 bytes."""
    code = (
        "import resource, sys, torch; from pathlib import Path\n"
        "from geotune.errors import GeotuneError; from geotune.train.checkpoint import load, save\n"
        "folder = Path(sys.argv[1])\n"
        "save(folder / '1-1', {'t': torch.ones(30_000)})\n"
        "save(folder / 'same', {'t': torch.ones(10)})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "for name in ('1-2', 'same'):\n"
        "    try: save(folder / name, {'t': torch.zeros(30_000)})\n"
        "    except GeotuneError as error: print(error)\n"
        "print(float(load(folder / '1-1')['t'].sum()), float(load(folder / 'same')['t'].sum()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    first, mend, second, _, sums = done.stdout.splitlines()
    said = r": cannot be written \(File too large \(os error 27\): it takes 120,000 bytes, [\d,]+ are free there\)"
    assert re.fullmatch(re.escape(f"{tmp_path}/1-2") + said, first)
    assert re.fullmatch(re.escape(f"{tmp_path}/same") + said, second)
    assert "make room on that disk" in mend
    assert sums == "30000.0 10.0"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1-1", "same"]  # nothing half-written stays


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(GeotuneError, match="cannot be written"):
        save(tmp_path / "c", {})


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GeotuneError, match="cannot be written"):
        save(tmp_path / "file" / "c", {})


def test_a_kill_at_any_instant_leaves_a_whole_one_or_none(tmp_path):
    """A process saves one checkpoint after another, each under a new name, until it is killed: all found are whole."""
    code = (
        "import sys, torch; from pathlib import Path; from geotune.train.checkpoint import save\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1\n"
        "    save(Path(sys.argv[1]) / f'0-{n}', {'n': n, 't': torch.full((200_000,), float(n))})\n"
        "    print(n, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    for _ in range(3):
        process.stdout.readline()
    time.sleep(0.02)
    process.kill()
    process.wait()
    process.stdout.close()
    found = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
    assert len(found) >= 3
    for path in found:
        state = load(path)
        assert torch.equal(state["t"], torch.full((200_000,), float(state["n"])))
        assert Path(path).name == f"0-{state['n']}"
