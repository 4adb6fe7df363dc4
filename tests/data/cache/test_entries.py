"""What the entries of the cache say of themselves."""

import os
from pathlib import Path

import pytest

from geotune.data.cache.entries import describe, description, entries, hold, locked, remove


@pytest.mark.parametrize("content", ["", "[1]", "{", "\udc80"])
def test_a_damaged_description_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "about.json").write_text(content, errors="surrogateescape")
    assert description(tmp_path) == {}
    describe(tmp_path, what="photos")
    assert description(tmp_path) == {"what": "photos"}


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
