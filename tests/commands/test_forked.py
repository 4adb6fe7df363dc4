"""A forked command is like a fresh one, and knows nothing of those beside it."""

import os
import signal
from pathlib import Path

import pytest

from tests.commands.processes import FORKS, ended, processes, wait_for

pytestmark = pytest.mark.skipif(not FORKS, reason="commands are not forked here")


@pytest.mark.parametrize("words", [["resume", "nowhere"], ["--version"]])
def test_it_says_the_same_and_ends_alike(tmp_path: Path, words: list[str]) -> None:
    with processes(tmp_path, tmp_path / "cache") as start:
        fresh, forked = start(*words, fresh=True), start(*words)
        assert forked.communicate(timeout=240) == fresh.communicate(timeout=240)
        assert forked.returncode == fresh.returncode


def test_each_has_its_own_folder_group_and_end(tmp_path: Path, space: Path, tiny_data: Path) -> None:
    words = ("search", f"space={space}", f"data={tiny_data}", "executor=inline", "tracking=none", "train.epochs=9000")
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    cache = tiny_data.parent / "cache"
    with processes(folders[0], cache) as start, processes(folders[1], cache) as start_beside:
        one, two = start(*words), start_beside(*words)
        for process, folder in ((one, folders[0]), (two, folders[1])):
            wait_for((folder / "runs" / "tiny-1" / "trials" / "0000" / "metrics.jsonl").is_file, process)
            assert Path(f"/proc/{process.pid}/cwd").readlink() == folder
            assert os.getpgid(process.pid) == os.getpgrp(), "Ctrl-C in a terminal reaches all"
        one.kill()
        assert one.wait(60) == -signal.SIGKILL
        assert two.poll() is None
        two.send_signal(signal.SIGTERM)
        assert "Interrupted; everything done so far is kept." in ended(two, code=130)
    assert not list(folders[1].glob("runs/*/final.json"))
