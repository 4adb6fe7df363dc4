"""The store of decoded photos: filled as it is read, by several processes, of which any may be killed."""

import errno
import gc
import json
import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from geotune.data.cache import layout, store
from geotune.data.cache.entries import entries, locked, remove
from geotune.data.cache.layout import open_stored
from geotune.data.cache.squares import decoded
from geotune.data.cache.store import Photos
from geotune.data.threads import set_lease
from geotune.errors import GeotuneError

N, SIZE = 60, 16
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def square(i: int) -> np.ndarray:
    """Another soft picture for each number: JPEG keeps it closely."""
    coarse = np.random.default_rng(i).integers(40, 216, (3, 3, 3), np.uint8)
    return cv2.resize(coarse, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)


ALL = np.stack([square(i) for i in range(N)])


@pytest.fixture(autouse=True)
def _lease() -> Iterator[None]:
    set_lease(2)
    yield
    set_lease(None)


@pytest.fixture(params=["raw", "jpeg"])
def tier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "jpeg":
        monkeypatch.setattr(layout.Raw, "bytes", lambda rows, size: 2**60)  # it would not fit
        monkeypatch.setattr(layout.Jpeg, "bytes", lambda rows, size: 100_000)
    return str(request.param)


def photos(decode: Callable[[int], np.ndarray] = square, name: str = "a") -> Photos:
    return Photos(N, SIZE, decode, open_stored(name, N, SIZE, dataset="d", split="train"))


def as_jpeg(pixels: np.ndarray) -> np.ndarray:
    jpeg = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
    return cv2.imdecode(jpeg, cv2.IMREAD_COLOR)[..., ::-1]


JPEGS = np.stack([as_jpeg(pixels) for pixels in ALL])


def right(tier: str, found: np.ndarray, numbers: object) -> bool:
    return np.array_equal(found, (ALL if tier == "raw" else JPEGS)[numbers])


def test_each_photo_is_decoded_when_first_read_and_never_again(tier: str, cache: Path) -> None:
    seen: list[int] = []
    made = photos(lambda i: seen.append(i) or square(i))
    assert made.tier == tier
    assert made.shape == (N, SIZE, SIZE, 3)
    assert seen == []
    first = made[np.array([5, 3, 5, 40])]
    assert right(tier, first, [5, 3, 5, 40])
    assert sorted(seen) == [3, 5, 40]
    everything = made[:]
    assert right(tier, everything, slice(None))
    assert sorted(seen) == list(range(N))
    again = photos(lambda i: pytest.fail("decoded twice"))
    np.testing.assert_array_equal(again[:], everything)  # also of JPEG always the same pixels
    np.testing.assert_array_equal(first, everything[[5, 3, 5, 40]])
    np.testing.assert_array_equal(again[7], everything[7])
    np.testing.assert_array_equal(np.asarray(again), everything)


def test_what_is_read_is_a_copy_and_goes_where_it_is_wanted() -> None:
    made, out = photos(), np.zeros((3, SIZE, SIZE, 3), np.uint8)
    for _ in range(2):  # decoded, then from the store
        assert made.take(np.array([1, 2, 3]), out) is out
        np.testing.assert_array_equal(out, ALL[1:4])
        out[:] = 0
    np.testing.assert_array_equal(made[1:4], ALL[1:4])


@pytest.mark.parametrize("wrong", [[N], [-1], [0, 999]])
def test_a_number_that_is_none(wrong: list[int]) -> None:
    with pytest.raises(IndexError, match=f"of {N}"):
        photos()[np.array(wrong)]
    assert photos()[np.array([], np.int64)].shape == (0, SIZE, SIZE, 3)


def test_a_subset_shares_the_rows_of_the_whole() -> None:
    rows = np.array([4, 9, 50])
    part = Photos(3, SIZE, lambda i: square(int(rows[i])), open_stored("a", N, SIZE), rows)
    np.testing.assert_array_equal(part[:], ALL[rows])
    seen: list[int] = []
    whole = photos(lambda i: seen.append(i) or square(i))
    np.testing.assert_array_equal(whole[:], ALL)
    assert set(seen) == set(range(N)) - {4, 9, 50}


def test_a_fault_frees_the_photos_for_the_next_try() -> None:
    def broken(i: int) -> np.ndarray:
        if i == 11:
            raise GeotuneError("photo 11 cannot be decoded")
        return square(i)

    made = photos(broken)
    for _ in range(2):
        with pytest.raises(GeotuneError, match="photo 11"):
            made[:]
    np.testing.assert_array_equal(photos()[:], ALL)


def test_threads_share_the_work(tier: str) -> None:
    seen: list[int] = []

    def slow(i: int) -> np.ndarray:
        time.sleep(0.002)
        seen.append(i)
        return square(i)

    one, two = photos(slow), photos(slow)
    found: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda p=p: found.append(p[:])) for p in (one, two, one)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(N))
    assert len(found) == 3
    for pixels in found:
        assert right(tier, pixels, slice(None))


# ------------------------------------------------------------------------------------------ several processes


def child(work: Callable[[], bool]) -> int:
    number = os.fork()
    if number == 0:
        try:
            os._exit(0 if work() else 1)
        except BaseException:
            os._exit(2)
    return number


@forks
def test_processes_decode_each_photo_once(tmp_path: Path, tier: str) -> None:
    def note(i: int) -> np.ndarray:
        time.sleep(0.003)
        with (tmp_path / "seen").open("a") as stream:
            stream.write(f"{i}\n")
        return square(i)

    def work() -> bool:
        made = photos(note)
        order = np.random.default_rng(0).permutation(N)  # all in the same order, as trials with one seed
        return all(right(tier, made[order[k : k + 16]], order[k : k + 16]) for k in range(0, N, 16))

    children = [child(work) for _ in range(4)]
    assert [os.waitpid(number, 0)[1] for number in children] == [0] * 4
    assert sorted(map(int, (tmp_path / "seen").read_text().split())) == list(range(N))


@forks
def test_killed_at_any_instant_nothing_wrong_is_ever_read(tier: str) -> None:
    """Processes are killed while they fill, others go on: what anybody reads is right, and it gets done."""
    rng = np.random.default_rng(1)

    def slow(i: int) -> np.ndarray:
        time.sleep(0.001)
        return square(i)

    def work() -> bool:
        made = photos(slow)
        own = np.random.default_rng(os.getpid())
        while True:
            chosen = own.integers(0, N, 9)
            if not right(tier, made[chosen], chosen):
                return False

    for _ in range(15):
        children = [child(work) for _ in range(3)]
        for number in children:
            time.sleep(float(rng.uniform(0, 0.03)))
            os.kill(number, signal.SIGKILL)
        assert [os.waitpid(number, 0)[1] for number in children] == [signal.SIGKILL] * 3, "one read something wrong"
    assert right(tier, photos(slow)[:], slice(None))


@forks
def test_a_dead_claimers_photos_are_taken_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "PATIENCE_SECONDS", 1e9)

    def hangs() -> bool:
        photos(lambda i: time.sleep(60) or square(i))[:]
        return True

    number = child(hangs)
    while not claimed():
        time.sleep(0.001)
    os.kill(number, signal.SIGKILL)
    os.waitpid(number, 0)
    assert claimed()
    np.testing.assert_array_equal(photos()[:], ALL)


@forks
def test_a_stopped_claimer_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "PATIENCE_SECONDS", 0.1)
    number = child(lambda: photos(lambda i: time.sleep(60) or square(i))[:] is None)
    while not claimed():
        time.sleep(0.001)
    try:
        np.testing.assert_array_equal(photos()[:], ALL)
    finally:
        os.kill(number, signal.SIGKILL)
        os.waitpid(number, 0)


@forks
def test_a_stopped_claimer_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not anew for each batch that holds one of its photos."""
    monkeypatch.setattr(store, "PATIENCE_SECONDS", 0.1)
    given_up: list[bool] = []
    too_long = store._Wait.too_long
    monkeypatch.setattr(
        store._Wait, "too_long", lambda self, left: given_up.append(too_long(self, left)) or given_up[-1]
    )
    number = child(lambda: photos(lambda i: time.sleep(60) or square(i))[:] is None)
    while claimed() < 8:
        time.sleep(0.001)
    os.kill(number, signal.SIGSTOP)
    try:
        made = photos()
        for i in range(N):
            np.testing.assert_array_equal(made[i], ALL[i])
    finally:
        os.kill(number, signal.SIGKILL)
        os.waitpid(number, 0)
    assert sum(given_up) == 1


@forks
def test_a_child_keeps_no_claim_of_its_killed_parent_alive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(store, "PATIENCE_SECONDS", 1e9)

    def forks_while_it_decodes() -> bool:
        made = photos(lambda i: time.sleep(60) or square(i))
        threading.Thread(target=lambda: made[:], daemon=True).start()
        while claimed() < 8:
            time.sleep(0.001)
        grandchild = os.fork()
        if grandchild == 0:
            time.sleep(60)
            os._exit(0)
        (tmp_path / "part").write_text(str(grandchild))
        (tmp_path / "part").replace(tmp_path / "grandchild")
        time.sleep(60)
        return True

    number = child(forks_while_it_decodes)
    while not (tmp_path / "grandchild").exists():
        time.sleep(0.001)
    os.kill(number, signal.SIGKILL)
    os.waitpid(number, 0)
    found: list[np.ndarray] = []
    reader = threading.Thread(target=lambda: found.append(photos()[:]), daemon=True)
    reader.start()
    reader.join(20)
    os.kill(int((tmp_path / "grandchild").read_text()), signal.SIGKILL)
    assert found, "waits for the dead parent"
    np.testing.assert_array_equal(found[0], ALL)


def claimed() -> int:
    from geotune.data.cache.entries import cache_root

    state = cache_root() / "photos" / "a" / "state"
    return int(np.count_nonzero(np.fromfile(state, np.uint16) % 0xFFFF)) if state.exists() else 0


# ------------------------------------------------------------------------------------------ the machine


def settled(folder: Path) -> None:
    for _ in range(1000):
        if (folder / "complete").exists():
            return
        time.sleep(0.005)
    pytest.fail("never complete")


def reboot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "boot_id", lambda: "another-boot")


def test_a_reboot_in_the_middle_discards(tier: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = photos()
    made[:20]
    del made
    gc.collect()
    pixels = cache / "photos" / "a" / "pixels"
    pixels.write_bytes(b"\0" * pixels.stat().st_size)  # the system's memory never reached the disk
    reboot(monkeypatch)
    assert right(tier, photos()[:], slice(None))
    assert [entry.name for entry in entries()] == ["photos/a"]


def test_a_reboot_after_the_end_does_not(tier: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = photos()[:]
    settled(cache / "photos" / "a")
    reboot(monkeypatch)
    np.testing.assert_array_equal(photos(lambda i: pytest.fail("decoded twice"))[:], before)


def test_whoever_filled_the_last_photo_may_have_died_before_it_was_on_the_disk(cache: Path) -> None:
    photos()[:]
    settled(cache / "photos" / "a")
    (cache / "photos" / "a" / "complete").unlink()
    photos(lambda i: pytest.fail("decoded twice"))
    settled(cache / "photos" / "a")


def test_another_machine_on_the_same_disk_is_left_in_peace(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = photos()
    mine[:20]
    reboot(monkeypatch)
    other = photos()
    np.testing.assert_array_equal(other[:], ALL)
    np.testing.assert_array_equal(mine[:], ALL)
    assert len(entries()) == 2


def test_half_made_is_made_again(cache: Path) -> None:
    folder = cache / "photos" / "a"
    folder.mkdir(parents=True)
    (folder / "state").write_bytes(b"\xff" * 2 * N)  # a kill before about.json
    np.testing.assert_array_equal(photos()[:], ALL)
    (folder / "complete").unlink(missing_ok=True)


def test_a_finished_store_may_be_removed_while_it_is_opened() -> None:
    """It is opened whole, or made anew; what was opened stays right."""
    ended = threading.Event()
    faults: list[BaseException] = []

    def opens() -> None:
        while not ended.is_set():
            try:
                made = photos()
                assert np.array_equal(made[:], ALL)
                if made._stored and made._stored.claims:
                    made._stored.settle()
                del made
            except BaseException as error:
                faults.append(error)
                return

    threads = [threading.Thread(target=opens) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(150):
        with locked():
            for entry in entries():
                remove(entry.folder)
    ended.set()
    for thread in threads:
        thread.join()
    assert faults == []


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare")
def test_a_finished_store_is_read_where_nothing_can_be_written(cache: Path) -> None:
    photos()[:]
    settled(cache / "photos" / "a")
    read = "import sys; from geotune.data.cache.layout import open_stored; print(open_stored('a', 60, 16).claims)"
    mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" || exit 77; exec "$1" -c "$2"'
    words = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(cache), sys.executable, read]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode == 77 or done.stderr.startswith("unshare"):
        pytest.skip("may not mount")
    assert done.stdout.strip() == "None", done.stderr


def test_a_full_disk_costs_only_the_keeping(
    tier: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, whole = photos(), os.pwrite

    def full(descriptor: int, content: bytes, offset: int) -> int:
        if full.calls == 5:  # type: ignore[attr-defined]
            raise OSError(errno.ENOSPC, "No space left on device")
        full.calls += 1  # type: ignore[attr-defined]
        return whole(descriptor, content, offset)

    full.calls = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(os, "pwrite", full)
    twice = np.concatenate([np.arange(N), [5, 5, 0]])
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            found = made[twice]
            kept = [right(tier, found[k], i) for k, i in enumerate(twice)]
            assert all(ok or right("raw", found[k], twice[k]) for k, ok in enumerate(kept))
    assert [record.message.count("No space left") for record in caplog.records] == [1]
    assert "GEOTUNE_CACHE" in caplog.text
    monkeypatch.undo()


@forks
def test_a_file_that_may_not_grow_is_a_full_disk(tmp_path: Path) -> None:
    """With a real limit of the system: an error of the call, no signal, nothing wrong."""

    def work() -> bool:
        made = photos()
        resource.setrlimit(resource.RLIMIT_FSIZE, (10 * SIZE * SIZE * 3, resource.RLIM_INFINITY))
        return np.array_equal(made[:], ALL) and np.array_equal(made[:], ALL)

    number = child(work)
    assert os.waitpid(number, 0)[1] == 0
    np.testing.assert_array_equal(photos()[:], ALL)


def test_what_is_written_through_a_map_has_no_holes(tier: str, cache: Path) -> None:
    """A full disk would kill the process there."""
    made = photos()
    assert made.tier == tier
    for name, size in [("state", 2 * N)] + [("where", 8 * N)] * (tier == "jpeg"):
        status = (cache / "photos" / "a" / name).stat()
        assert status.st_size == size
        assert status.st_blocks * 512 >= size


def test_without_room_photos_are_decoded_anew(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv("GEOTUNE_CACHE_LIMIT", "1kB")
    seen: list[int] = []
    made = photos(lambda i: seen.append(i) or square(i))
    assert made.tier == "none"
    for _ in range(2):
        np.testing.assert_array_equal(made[:5], ALL[:5])
    assert len(seen) == 10
    assert entries() == []


def test_jpeg_where_raw_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOTUNE_CACHE_LIMIT", "20kB")  # 46 kB raw
    assert photos().tier == "jpeg"


def test_a_folder_that_cannot_be_written_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GEOTUNE_CACHE", str(tmp_path / "file"))
    with pytest.raises(GeotuneError, match="cannot be written") as caught:
        photos()
    assert "export GEOTUNE_CACHE=" in caught.value.hint


def test_about_says_what_it_is(cache: Path) -> None:
    photos()
    about = json.loads((cache / "photos" / "a" / "about.json").read_text())
    assert about | {"boot": ""} == {
        "what": "photos", "dataset": "d", "split": "train", "px": SIZE, "photos": N, "tier": "raw",
        "bytes": N * SIZE * SIZE * 3, "boot": "",
    }  # fmt: skip


def test_a_real_split_and_its_subset_share_a_store(dataset: object, cache: Path) -> None:
    split = dataset.split("train")  # type: ignore[attr-defined]
    whole = decoded(split, 24)[:]
    part = split.subset(0.3)
    np.testing.assert_array_equal(decoded(part, 24)[:], whole[part.rows])
    assert len(entries()) == 1
