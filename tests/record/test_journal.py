"""The journal survives a kill at any byte, tells each event once, and leaves nothing half written."""

import json
import resource
from pathlib import Path

import pytest

from geotune.errors import DiskError, GeotuneError
from geotune.record.journal import Journal

CREATION = {"op_code": 4, "study_id": 0}


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
        mended.go_on()
        assert list(mended.read_logs(0)) == [{"a": 1}]
        mended.append_logs([{"c": 4}])
        mended.close()
        assert [json.loads(line) for line in path.read_text().splitlines()] == [{"a": 1}, {"c": 4}]


def test_a_last_line_that_is_none_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_bytes(b'{"a": 1}\n\0\0\0\n')
    journal = Journal(path)
    journal.go_on()
    assert list(journal.read_logs(0)) == [{"a": 1}]
    journal.close()
    path.write_bytes(b"\0\0\0\n")
    Journal(path).close()
    assert path.read_bytes() == b""


def test_damage_in_the_middle_is_an_error_not_a_loss(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_text('{"a": 1}\ngarbage\n{"b": 2}\n')
    journal = Journal(path)
    journal.go_on()
    with pytest.raises(GeotuneError, match="line 2 is damaged"):
        list(journal.read_logs(0))
    journal.close()
    assert path.read_text().endswith('{"b": 2}\n')


def test_one_writer(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    with pytest.raises(GeotuneError, match="another geotune"):
        Journal(tmp_path / "j")
    journal.close()
    Journal(tmp_path / "j").close()


def test_each_event_is_told_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.append_logs([{"n": n} for n in range(5)])
    assert [event["n"] for event in journal.read_logs(0)] == [0, 1, 2, 3, 4]
    assert list(journal.read_logs(5)) == []
    journal.append_logs([{"n": (5,)}])
    assert list(journal.read_logs(5)) == [{"n": [5]}]
    assert journal.seen == 6
    journal.close()


def test_it_is_told_up_to_the_newest_trial_at_first(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    events = [{"op_code": 0}, CREATION, {"op_code": 7}, CREATION, {"op_code": 6}, {"op_code": 6}]
    journal.append_logs(events)
    journal.close()
    again = Journal(tmp_path / "j")
    assert list(again.read_logs(0)) == events[:4]
    assert list(again.read_logs(4)) == []
    again.go_on()
    assert list(again.read_logs(4)) == events[4:]
    again.append_logs([CREATION])
    assert list(again.read_logs(6)) == [CREATION]
    again.close()


def test_events_of_one_step_are_written_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = Journal(path)
    with journal.together():
        journal.append_logs([{"a": 1}])
        with journal.together():
            journal.append_logs([{"b": 2}])
        assert list(journal.read_logs(0)) == [{"a": 1}, {"b": 2}], "the study knows them at once"
        assert path.read_bytes() == b""
    assert path.read_bytes() == b'{"a":1}\n{"b":2}\n'
    journal.close()


def test_a_full_disk_leaves_no_half_event_and_nothing_after_it(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = Journal(path)
    journal.append_logs([{"a": 1}])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 5, before[1]))
        with pytest.raises(DiskError, match=r"j: cannot be written \(File too large\)"):
            journal.append_logs([{"b": "a text that is longer than what there is room for"}])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b'{"a":1}\n'
    with pytest.raises(DiskError, match="an earlier event could not be written"):
        journal.append_logs([{"c": 3}])
    journal.close()
    again = Journal(path)
    again.go_on()
    assert list(again.read_logs(0)) == [{"a": 1}]
    again.close()
