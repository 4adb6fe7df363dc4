"""Where a run stands: told twice a second at most, whoever listens, and never the end of a training."""

import json

from geotune.train import progress
from geotune.train.progress import Progress


def test_it_is_told_at_most_so_often(tmp_path):
    told = Progress(tmp_path / "progress.json", 3)
    told.epoch = 1
    told.report("training", 1, 10)
    told.report("training", 2, 10)
    assert not told.due()
    assert json.loads((tmp_path / "progress.json").read_text())["step"] == 1


def test_without_a_listener_it_is_due_as_seldom():
    """What is looked at when it is due waits for a GPU: a process that reports nothing would wait at every step."""
    nobody = Progress(None, 3)
    assert nobody.due()
    nobody.report("training", 1, 10)
    assert not nobody.due()


def test_a_file_that_cannot_be_written_ends_no_training(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)
    told = Progress(tmp_path / "gone" / "progress.json", 3)
    told.report("training", 1, 10)
    (tmp_path / "gone").mkdir()
    told.report("training", 2, 10)
    assert json.loads((tmp_path / "gone" / "progress.json").read_text())["step"] == 2
