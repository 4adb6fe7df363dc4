"""What is shown to others holds no password."""

import pytest

from geotune.record.public import public, shown


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://me:secret@host/a@b", "http://host/a@b"),
        ("postgresql://me:se@cret@host/db", "postgresql://host/db"),
        ("postgresql://host/db?user=me&password=secret&x=1", "postgresql://host/db?user=me&password=&x=1"),
        ("http://me:secret@host refused, ask me@home", "http://host refused, ask me@home"),
    ],
)
def test_a_uri_without_its_password(uri: str, told: str) -> None:
    assert shown(uri) == told


def test_what_was_asked_without_secrets() -> None:
    asked = {"settings": {"tracking": "http://a:b@c", "notify": "", "seed": 3}, "words": ["notify=curl x", "seed=3"]}
    assert public(asked) == {
        "settings": {"tracking": "http://c", "notify": "", "seed": 3},
        "words": ["notify=(not shown)", "seed=3"],
    }
    assert public({"space": {}}) == {"space": {}}
