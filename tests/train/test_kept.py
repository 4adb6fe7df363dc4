"""Checkpoints side by side: their order, what is kept of them, what to fall back on."""

from geotune.train.kept import and_older, drop, kept, sweep


def made(folder, *names):
    for name in names:
        (folder / name).mkdir(parents=True)


def names(paths):
    return [path.name for path in paths]


def test_the_newest_comes_first(tmp_path):
    made(tmp_path, "1-2", "1-10", "2-3", "1-3", ".1-11.x.tmp", "old", "1-1-1")
    assert names(kept(tmp_path)) == ["1-10", "2-3", "1-3", "1-2"]
    assert kept(tmp_path / "nowhere") == []


def test_what_to_fall_back_on(tmp_path):
    made(tmp_path, "1-2", "1-10", "2-3")
    assert names(and_older(tmp_path / "2-3")) == ["2-3", "1-2"]
    assert names(and_older(tmp_path / "mine")) == ["mine"]


def test_dropping_leaves_what_is_being_written(tmp_path):
    made(tmp_path, "1-2", "1-10", "2-3", ".1-11.x.tmp")
    drop(tmp_path, keep=2)
    assert sorted(names(tmp_path.iterdir())) == [".1-11.x.tmp", "1-10", "2-3"]


def test_dropping_all_leaves_nothing(tmp_path):
    made(tmp_path / "checkpoint", "1-2", ".1-11.x.tmp")
    drop(tmp_path / "checkpoint")
    assert not list(tmp_path.iterdir())
    drop(tmp_path / "checkpoint")


def test_what_killed_writers_left_is_swept_up(tmp_path):
    made(tmp_path, "1-2", ".1-2.x.old", ".1-3.y.tmp", "mine.tmp")
    sweep(tmp_path)
    sweep(tmp_path / "nowhere")
    assert sorted(names(tmp_path.iterdir())) == ["1-2", "mine.tmp"]
