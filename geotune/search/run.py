"""A search from its open record to its last trial: an executor runs, a display follows, the clock ends it in time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from geotune.record.folder import RunFolder
from geotune.record.plan import Plan
from geotune.record.record import Record
from geotune.search.background import repeated
from geotune.search.budget import Clock, final_seconds
from geotune.search.display import Display
from geotune.search.executors import on_loopback
from geotune.search.machine import Shape, shape, slots, this_machine

Run = Callable[[Record, Shape], None]


@contextmanager
def executor(plan: Plan, run: RunFolder) -> Iterator[tuple[Run, Shape, int]]:
    """The executor that the plan names, started: how to run, what a trial takes, and how many run at once."""
    if plan.settings.executor == "inline":
        from geotune.search.executors import inline

        here = this_machine()
        one = shape(plan.settings, here)
        if plan.settings.cpus is None:
            one = Shape(here.nodes[0][0], one.gpus)  # one trial at a time has the whole machine
        yield inline.run, one, 1
        return
    if not plan.settings.address:
        on_loopback()
    from geotune.search.executors import ray
    from geotune.search.executors.ray_cluster import check_storage, cluster

    with cluster(plan.settings) as offer:
        if plan.settings.address:
            check_storage(run.path)
        one = shape(plan.settings, offer)
        yield ray.run, one, slots(one, offer)


def run_trials(record: Record, run: Run, one: Shape, clock: Clock, expected: float, console: Console) -> None:
    """Run trials until the budget is used up. KeyboardInterrupt leaves what was running due.

    `expected` is the forecast of the full training in seconds, until a trial shows what it will really take.
    """

    def watch() -> None:
        if clock.search_over(_final_forecast(record, expected)):
            record.end("time")

    with Display(record, clock, console), repeated(watch, 0.5, "clock"):
        run(record, one)


def _final_forecast(record: Record, expected: float) -> float:
    """Seconds that the full training of the best trial so far would take, where its epochs tell it."""
    best = record.best()
    if best is None or not best.values or record.plan.full_is_other_work:
        return expected
    epochs = record.plan.full_config(best.drawn).train.epochs
    return final_seconds(best.seconds / len(best.values), epochs)
