"""The journal survives a kill at any byte."""

import json
from pathlib import Path

import pytest

from geotune.errors import GeotuneError
from geotune.record.journal import Journal


def test_every_torn_tail_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = Journal(path)
    journal.append_logs([{"a": 1}, {"b": [2, 3]}])
    journal.close()
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole)):
        path.write_bytes(whole[:cut])
        mended = Journal(path)
        assert list(mended.read_logs(0)) == [{"a": 1}]
        mended.append_logs([{"c": 4}])
        mended.close()
        assert [json.loads(line) for line in path.read_text().splitlines()] == [{"a": 1}, {"c": 4}]


def test_damage_in_the_middle_is_an_error_not_a_loss(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_text('{"a": 1}\ngarbage\n{"b": 2}\n')
    with pytest.raises(GeotuneError, match="line 2 is damaged"):
        Journal(path)
    assert path.read_text().endswith('{"b": 2}\n')


def test_one_writer(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    with pytest.raises(GeotuneError, match="another geotune"):
        Journal(tmp_path / "j")
    journal.close()
    Journal(tmp_path / "j").close()


def test_read_from_a_position(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.append_logs([{"n": n} for n in range(5)])
    assert list(journal.read_logs(3)) == [{"n": 3}, {"n": 4}]
    journal.close()
