"""What goes from the cache when room is needed."""

import gc
import os
from pathlib import Path

import numpy as np
import pytest

from geotune.data.cache.entries import cache_root, entries, locked, remove
from geotune.data.cache.layout import open_stored
from geotune.data.cache.room import limit, make_room
from geotune.data.cache.store import Photos
from geotune.errors import GeotuneError

SIZE = 64
BYTES = 10 * SIZE * SIZE * 3


def fill(name: str, used: float) -> Photos:
    made = Photos(10, SIZE, lambda i: np.full((SIZE, SIZE, 3), i, np.uint8), open_stored(name, 10, SIZE))
    made[:]
    folder = cache_root() / "photos" / name
    while not (folder / "complete").exists():
        pass
    os.utime(folder / "used", (used, used))
    return made


def names() -> list[str]:
    return [entry.folder.name for entry in entries()]


def test_the_least_recently_used_go_first_and_only_as_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, used in (("b", 2000.0), ("a", 1000.0), ("c", 3000.0)):
        fill(name, used)
    gc.collect()
    assert names() == ["a", "b", "c"]
    total = sum(entry.size for entry in entries())
    monkeypatch.setenv("GEOTUNE_CACHE_LIMIT", str(total + BYTES // 2))
    kept = fill("d", 4000.0)
    assert kept.tier == "raw"
    assert names() == ["b", "c", "d"]


def test_what_is_in_use_never_goes_and_counts_with_all_that_it_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    held = fill("held", 1.0)
    half = Photos(10, SIZE, lambda i: np.zeros((SIZE, SIZE, 3), np.uint8), open_stored("half", 10, SIZE))
    sizes = {entry.folder.name: entry.size for entry in entries()}
    monkeypatch.setenv("GEOTUNE_CACHE_LIMIT", str(sizes["held"] + BYTES + BYTES // 2))
    assert open_stored("next", 10, SIZE).tier == "jpeg"  # type: ignore[union-attr]
    assert {"held", "half"} <= set(names())
    np.testing.assert_array_equal(held[:][:, 0, 0, 0], np.arange(10))
    assert len(half) == 10


def test_what_is_half_filled_counts_with_all_that_it_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks for room again when it is opened and filled on."""
    monkeypatch.setenv("GEOTUNE_CACHE_LIMIT", str(BYTES * 3 // 2))
    half = Photos(10, SIZE, lambda i: np.zeros((SIZE, SIZE, 3), np.uint8), open_stored("half", 10, SIZE))
    half[:2]
    del half
    gc.collect()
    assert fill("next", 1.0).tier == "raw"
    assert names() == ["next"]


def test_jpegs_take_no_more_than_was_set_aside_for_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GEOTUNE_CACHE_LIMIT", str(BYTES // 2))
    noise = np.random.default_rng(0).integers(0, 256, (10, SIZE, SIZE, 3), np.uint8)
    made = Photos(10, SIZE, lambda i: noise[i], open_stored("noisy", 10, SIZE))
    assert made.tier == "jpeg"
    for _ in range(2):
        assert made[:].shape == noise.shape
    assert (cache_root() / "photos" / "noisy" / "pixels").stat().st_size <= 0.2 * BYTES
    assert caplog.text.count("than was set aside") == 1


def test_what_is_never_held_does_not_go_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    (cache_root() / "demo-2").mkdir(parents=True)
    (cache_root() / "demo-2" / "x").write_bytes(b"x" * 9000)
    monkeypatch.setenv("GEOTUNE_CACHE_LIMIT", "10kB")
    with locked():
        assert make_room([9000]) is None
        assert make_room([9000, 10]) is not None or names() == ["demo-2"]
    assert names() == ["demo-2"]
    assert remove(cache_root() / "demo-2")
    assert names() == []


def test_a_removal_that_was_killed_is_finished(cache: Path) -> None:
    (cache / ".trash-1" / "deep").mkdir(parents=True)
    with locked():
        make_room([1])
    assert not (cache / ".trash-1").exists()


def test_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, size in (("2GB", 2e9), ("100 MB", 1e8), ("0", 0)):
        monkeypatch.setenv("GEOTUNE_CACHE_LIMIT", text)
        assert limit(0) == size
    monkeypatch.setenv("GEOTUNE_CACHE_LIMIT", "9999TB")
    assert limit(0) < 1e15, "no more than the disk has"
    monkeypatch.delenv("GEOTUNE_CACHE_LIMIT")
    assert limit(10**12) >= 5 * 10**11
    monkeypatch.setenv("GEOTUNE_CACHE_LIMIT", "much")
    with pytest.raises(GeotuneError, match="such as 50GB"):
        limit(0)
