"""The end of a budget on Ray: what runs ends its epoch, what waits for a place begins none."""

import threading
import time
from typing import Any

import pytest

from geotune.record.record import Record
from geotune.search.machine import Shape


@pytest.mark.ray
@pytest.mark.slow
def test_a_trial_that_waits_for_a_place_does_not_begin_after_the_end(make_search: Any, two_nodes: str) -> None:
    from geotune.search.executors import ray as executor
    from geotune.search.executors.ray_cluster import cluster

    words = (f"address={two_nodes}", "trials=5", "stopping.rule=none", "train.epochs=100000", "device=cpu")
    run, plan = make_search(*words)
    record = Record(run)

    def end() -> None:
        while not (len(record.trials()) == 3 and all(run.trial(number).epochs() for number in (0, 1))):
            time.sleep(0.05)
        record.end("time")

    threading.Thread(target=end, daemon=True).start()
    with cluster(plan.settings):
        executor.run(record, Shape(1, 1))
    assert record.done
    assert [view.state for view in record.trials()] == ["due"] * 3
    assert [bool(run.trial(number).epochs()) for number in range(3)] == [True, True, False]
    assert "fruitless" not in record.study.get_trials()[2].user_attrs, "it is not its fault"
    record.close()
