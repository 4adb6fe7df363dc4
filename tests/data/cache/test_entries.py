"""What the entries of the cache say of themselves."""

import os
import threading
from pathlib import Path

import pytest

from geotune.data.cache.entries import describe, description, entries, free, hold, locked, remove


@pytest.mark.parametrize("content", ["", "[1]", "{", "\udc80"])
def test_a_damaged_description_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "about.json").write_text(content, errors="surrogateescape")
    assert description(tmp_path) == {}
    describe(tmp_path, what="photos")
    assert description(tmp_path) == {"what": "photos"}


def test_what_is_not_there_cannot_be_held(cache: Path) -> None:
    assert hold(cache / "features" / "a") is None


def test_what_is_removed_in_between_is_not_held(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opened, and then moved away, before it could be locked."""
    folder, open_ = cache / "features" / "a", os.open
    folder.mkdir(parents=True)
    (folder / "used").touch()

    def opened(path: object, *rest: int) -> int:
        descriptor = open_(path, *rest)  # type: ignore[arg-type]
        if folder.exists():
            folder.rename(cache / ".trash-x")
        return descriptor

    monkeypatch.setattr(os, "open", opened)
    assert hold(folder) is None


def test_to_be_looked_at_does_not_keep_it_from_being_held(cache: Path) -> None:
    folder = cache / "features" / "a"
    folder.mkdir(parents=True)
    (folder / "used").touch()
    ended = threading.Event()

    def looks() -> None:
        while not ended.is_set():
            free(folder)

    thread = threading.Thread(target=looks)
    thread.start()
    held = [hold(folder) for _ in range(300)]
    ended.set()
    thread.join()
    assert None not in held
    for descriptor in held:
        os.close(descriptor or -1)


def test_what_is_held_is_in_use_until_all_have_let_go(cache: Path) -> None:
    folder = cache / "features" / "a"
    folder.mkdir(parents=True)
    with locked():
        held = [hold(folder), hold(folder)]
    for descriptor in held:
        (entry,) = entries()
        assert entry.in_use
        assert not remove(folder)
        assert descriptor is not None
        os.close(descriptor)
    assert not entry.in_use
    assert remove(folder)
    assert entries() == []
    assert not list(cache.glob(".trash-*"))
