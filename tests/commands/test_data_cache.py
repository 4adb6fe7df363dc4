"""`geotune data cache`."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from geotune.data.cache.entries import describe, entries
from geotune.data.cache.layout import open_stored
from geotune.data.cache.shared_array import shared_array
from geotune.data.cache.store import Photos


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GEOTUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GEOTUNE_CACHE_LIMIT", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def shown(geotune):
    """`shown(*words)` -> exit code, stdout, stderr of `geotune data cache`."""
    return partial(geotune, "data", "cache")


def fill(name: str, count: int, of: int = 10) -> Photos:
    stored = open_stored(name, of, 16, dataset="/d/town", split="train")
    made = Photos(of, 16, lambda i: np.full((16, 16, 3), i, np.uint8), stored)
    made[np.arange(count)]
    return made


def test_an_empty_cache(shown, cache):
    code, out, _ = shown()
    assert code == 0
    assert out.startswith(f"{cache}: 0 B of at most ")


def test_each_entry_says_what_it_is(shown, cache):
    held = fill("abcdef-16-1", 5)
    about = {"what": "features", "backbone": "resnet18", "dataset": "/d/town", "split": "valid", "px": 96}
    shared_array(cache / "features" / "feed", (4, 2), np.float16, lambda a, b: np.zeros((b - a, 2)), about=about)
    (cache / "demo-2").mkdir()
    (cache / "remote" / "x").mkdir(parents=True)
    describe(cache / "remote" / "x", what="remote", url="https://there/x")
    code, out, _ = shown()
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines()[2:]}
    assert set(lines) == {"photos/abcdef-16-1", "features/feed", "demo-2", "remote/x"}
    assert "photos raw" in lines["photos/abcdef-16-1"]
    assert "/d/town train" in lines["photos/abcdef-16-1"]
    assert " 50% " in lines["photos/abcdef-16-1"]
    assert lines["photos/abcdef-16-1"].endswith("in use")
    assert "features resnet18" in lines["features/feed"]
    assert " 100% " in lines["features/feed"]
    assert lines["features/feed"].endswith("0 min ago")
    assert "https://there/x" in lines["remote/x"]
    assert "demo" in lines["demo-2"]
    assert len(held) == 10


def test_what_is_in_use_stays(shown):
    held = fill("abc", 10)
    fill("def", 5)
    code, out, _ = shown("--clear", "all")
    assert code == 0
    assert out.startswith("removed 1 of 2, ")
    assert "kept photos/abc: in use by a running process" in out
    assert [entry.name for entry in entries()] == ["photos/abc"]
    assert held[3][0, 0, 0] == 3


def test_names_by_their_beginning_and_kinds(shown):
    for name in ("abc", "abd", "xyz"):
        fill(name, 1)
    assert shown("--clear", "photos/ab")[1].startswith("removed 2 of 2")
    assert shown("xy")[1].count("photos/") == 1
    assert shown("--clear", "photos")[1].startswith("removed 1 of 1")


def test_mistakes_are_said(shown):
    code, _, err = shown("--clear")
    assert code == 2
    assert "--clear all" in err
    code, _, err = shown("--clear", "nothing")
    assert code == 2
    assert "nothing in the cache is called nothing" in err


def test_an_empty_name_is_none(shown):
    fill("abc", 1)
    for words in (["--clear", ""], ["--clear", "abc", ""], [""]):
        code, _, err = shown(*words)
        assert code == 2
        assert "an empty name" in err
    assert [entry.name for entry in entries()] == ["photos/abc"]


def test_indices_of_shards_are_shown_counted_and_cleared(shown, cache):
    (cache / "indices").mkdir(parents=True)
    (cache / "indices" / "feed.npz").write_bytes(b"x" * 50_000)
    (line,) = [line for line in shown()[1].splitlines() if "indices" in line.split()]
    assert "kB" in line
    assert shown("--clear", "indices")[1].startswith("removed 1 of 1")
    assert not (cache / "indices").exists()


@pytest.mark.parametrize("wrong", ["many", [1], None, {}, -3, 0.5])
def test_a_damaged_description_is_shown_all_the_same(shown, cache, wrong):
    fill("abc", 1)
    describe(cache / "photos" / "abc", what="photos", photos=wrong, bytes=wrong, chunk=wrong, px=wrong)
    code, out, _ = shown()
    assert code == 0
    assert "photos/abc" in out
    fill("def", 1)


def test_a_limit_that_is_none(shown, monkeypatch):
    monkeypatch.setenv("GEOTUNE_CACHE_LIMIT", "lots")
    code, _, err = shown()
    assert code == 2
    assert "GEOTUNE_CACHE_LIMIT=lots: expected a size such as 50GB" in err
