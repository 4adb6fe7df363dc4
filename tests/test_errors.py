"""Errors to a user: the problem, the mend, all at once, and whole through a process boundary."""

import errno
import pickle

from geotune.errors import DiskError, GeotuneError, SettingsError, disk_error


def test_a_problem_and_its_mend():
    error = GeotuneError("photos: a folder of photos, not a dataset", "geotune data import photos data/photos")
    assert str(error) == "photos: a folder of photos, not a dataset\n  geotune data import photos data/photos"
    assert (error.problem, error.hint) == (error.args[0], "geotune data import photos data/photos")


def test_a_problem_without_a_mend_is_one_line():
    assert str(GeotuneError("no such space")) == "no such space"


def test_problems_stand_in_columns():
    problems = [("model.haed.name", "no such setting; did you mean model.head.name?"), ("trials", "got 'abc'")]
    assert str(SettingsError(problems)) == (
        "2 problems\n  model.haed.name  no such setting; did you mean model.head.name?\n  trials           got 'abc'"
    )


def test_one_problem_is_no_plural_and_names_its_source():
    error = SettingsError([("trials", "got 'abc'")], "demo.yaml")
    assert str(error) == "1 problem in demo.yaml\n  trials  got 'abc'"
    assert isinstance(error, GeotuneError)


def test_a_place_in_a_file_stands_before_its_problem():
    problems = [("search.optim.lr", "expected one kind"), ("trials", "got 'abc'")]
    error = SettingsError(problems, where={"search.optim.lr": "mine.yaml:12", "base.x": "mine.yaml:3"})
    assert str(error) == (
        "2 problems\n  mine.yaml:12  search.optim.lr  expected one kind\n                trials           got 'abc'"
    )
    assert error.where == {"search.optim.lr": "mine.yaml:12"}


def test_no_problems_still_make_a_sentence():
    assert str(SettingsError([])) == "0 problems"


def test_errors_survive_the_way_back_from_a_worker():
    """Ray and process pools pickle what a worker raises."""
    error = pickle.loads(pickle.dumps(GeotuneError("a", "b")))
    assert (type(error), error.problem, error.hint, str(error)) == (GeotuneError, "a", "b", "a\n  b")
    settings = SettingsError([("k", "bad")], "x.yaml", {"k": "x.yaml:3"})
    again = pickle.loads(pickle.dumps(settings))
    assert again.where == settings.where == {"k": "x.yaml:3"}
    assert (type(again), again.problems, again.source, str(again)) == (
        SettingsError,
        [("k", "bad")],
        "x.yaml",
        str(settings),
    )


def test_a_full_disk_behind_other_errors():
    full = OSError(errno.ENOSPC, "No space left on device", "runs/a/study.journal")
    told = disk_error(full)
    assert isinstance(told, DiskError)
    assert told.problem == "runs/a/study.journal: cannot be written (No space left on device)"
    assert "geotune resume RUN" in told.hint
    behind = RuntimeError("a library's own")
    behind.__cause__ = full
    assert str(disk_error(behind)) == str(told)
    settled = ValueError("of something else")
    settled.__context__, settled.__suppress_context__ = full, True
    assert disk_error(settled) is None
    own = DiskError("model: cannot be written", "make room")
    assert disk_error(own) is own
    assert disk_error(OSError(errno.ENOENT, "No such file", "x")) is None
    assert disk_error(ValueError("x")) is None
    assert disk_error(None) is None
