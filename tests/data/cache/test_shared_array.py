import gc
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from geotune.data.cache.entries import entries, remove
from geotune.data.cache.shared_array import shared_array
from geotune.errors import GeotuneError

WORKER = """
import sys, time
from pathlib import Path
import numpy as np
from geotune.data.cache.shared_array import shared_array
folder, calls, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
def fill(start, stop):
    with calls.open("a") as stream: stream.write(f"{start}\\n")
    time.sleep(seconds)
    return np.repeat(np.arange(start, stop)[:, None], 3, 1)
print(int(shared_array(folder, (40, 3), np.int64, fill, chunk=4).sum()))
"""


def rows(start: int, stop: int) -> np.ndarray:
    return np.repeat(np.arange(start, stop)[:, None], 3, 1)


def worker(folder: Path, calls: Path, seconds: float) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WORKER, str(folder), str(calls), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_filled_once_and_read_only(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    told: list[tuple[int, int]] = []

    def fill(start: int, stop: int) -> np.ndarray:
        calls.append((start, stop))
        return rows(start, stop)

    for _ in range(2):
        array = shared_array(
            tmp_path / "a", (10, 3), np.int64, fill, chunk=4, on_progress=lambda n, of: told.append((n, of))
        )
        np.testing.assert_array_equal(array, rows(0, 10))
    assert calls == [(0, 4), (4, 8), (8, 10)]
    assert told[0] == (4, 10)
    assert told[-1] == (10, 10)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_no_rows(tmp_path: Path) -> None:
    assert shared_array(tmp_path / "a", (0, 3), np.float32, rows).shape == (0, 3)


def test_a_fault_in_between_is_made_good(tmp_path: Path) -> None:
    def breaks(start: int, stop: int) -> np.ndarray:
        if start == 4:
            raise RuntimeError("broken")
        return rows(start, stop)

    with pytest.raises(RuntimeError):
        shared_array(tmp_path / "a", (10, 3), np.int64, breaks, chunk=4)
    done: list[int] = []
    array = shared_array(tmp_path / "a", (10, 3), np.int64, lambda a, b: done.append(a) or rows(a, b), chunk=4)
    np.testing.assert_array_equal(array, rows(0, 10))
    assert done == [4, 8]


def test_processes_share_the_work_each_chunk_once(tmp_path: Path) -> None:
    workers = [worker(tmp_path / "a", tmp_path / "calls", 0.1) for _ in range(2)]
    sums = [w.communicate(timeout=60)[0].strip() for w in workers]
    assert sums == [str(rows(0, 40).sum())] * 2
    assert sorted(map(int, (tmp_path / "calls").read_text().split())) == list(range(0, 40, 4))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_process_leaves_one_chunk_to_do_again(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    killed = worker(tmp_path / "a", calls, 0.2)
    while not calls.exists() or len(calls.read_text().split()) < 3:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    begun = list(map(int, calls.read_text().split()))
    done: list[int] = []
    array = shared_array(tmp_path / "a", (40, 3), np.int64, lambda a, b: done.append(a) or rows(a, b), chunk=4)
    np.testing.assert_array_equal(array, rows(0, 40))
    assert set(done) >= set(range(0, 40, 4)) - set(begun)
    assert not set(done) & set(begun[:-1])  # whole chunks of the killed one are kept


def test_threads_of_one_process_share_too(tmp_path: Path) -> None:
    done: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: shared_array(
                tmp_path / "a", (40, 3), np.int64, lambda a, b: done.append(a) or rows(a, b), chunk=4
            )
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(0, 40, 4))


def test_what_is_beyond_the_limit_or_the_disk_is_said_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(GeotuneError, match=r"cannot keep 1125899\.9 GB there \(the limit of the cache\)") as caught:
        shared_array(tmp_path / "a", (2**50,), np.uint8, rows)
    assert "GEOTUNE_CACHE=" in caught.value.hint
    assert "GEOTUNE_CACHE_LIMIT" in caught.value.hint
    assert not (tmp_path / "a").exists()
    monkeypatch.setenv("GEOTUNE_CACHE_LIMIT", "100B")
    with pytest.raises(GeotuneError, match="the limit"):
        shared_array(tmp_path / "a", (40, 3), np.int64, rows)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GeotuneError, match="cannot keep"):
        shared_array(tmp_path / "file" / "a", (4, 3), np.int64, rows)
    assert (tmp_path / "file").read_text() == ""


def test_it_is_held_as_long_as_any_part_of_it_lives(tmp_path: Path) -> None:
    array = shared_array(tmp_path / "cache" / "features" / "a", (10, 3), np.int64, rows, about={"what": "features"})
    (entry,) = entries()
    assert entry.about["what"] == "features"
    part = array[2:4]
    del array
    gc.collect()
    assert entry.in_use
    assert not remove(entry.folder)
    del part
    gc.collect()
    assert not entry.in_use
    assert remove(entry.folder)
    assert entries() == []
