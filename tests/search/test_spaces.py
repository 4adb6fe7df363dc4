"""The shipped spaces run: every backbone, head and batch size as it stands, only small photos and few epochs."""

from pathlib import Path
from typing import Any

import pytest

from geotune.final.full import train_in_full
from geotune.record.library import shipped
from geotune.record.record import Record
from geotune.search.executors import inline
from geotune.search.machine import Shape

SMALL = ("model.weights=none", "input.sizes=[32]", "train.epochs=1", "full.train.epochs=1", "trials=2", "device=cpu")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_shipped_space_runs_from_its_first_points_to_a_tested_model(name: str, make_search: Any) -> None:
    run, plan = make_search(f"space={name}", *SMALL)
    record = Record(run)
    inline.run(record, Shape(2, 0))
    trials, best = record.trials(), record.best()
    record.close()
    assert [trial.state for trial in trials] == ["complete", "complete"]
    if plan.space.first:
        assert {k: v for k, v in trials[0].drawn.items() if k != "input.sizes"} == plan.space.first[0]
    assert best is not None
    final = train_in_full(run.path, best.number, plan.full_config(best.drawn))
    assert final.low <= final.median <= final.high
    assert (Path(run.model) / "model.safetensors").is_file()


def test_geolocator_begins_with_what_its_authors_ran(make_search: Any) -> None:
    _, plan = make_search("space=geolocator")
    config = plan.config(plan.space.first[0])
    assert config.model.backbone == "convnext_tiny"
    assert (config.model.head.name, config.model.head.cells) == ("cells", 10_000)
    assert config.train.batch_size == 1024
