"""A search from its open record to its last trial: an executor runs, a display follows, the budget ends it in time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from geotune.record.folder import RunFolder
from geotune.record.plan import Plan
from geotune.record.record import Record
from geotune.search.background import repeated
from geotune.search.budget import Clock
from geotune.search.display import Display
from geotune.search.executors import on_loopback
from geotune.search.machine import Shape, shape, slots, this_machine
from geotune.search.notify import Herald, Notifier
from geotune.search.steward import Reserve, Steward

Run = Callable[[Record, Shape], None]
LOOK_SECONDS = 0.5
"""How often the budget is looked at; `geotune budget` is heeded within a second."""


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


def run_trials(
    record: Record,
    run: Run,
    one: Shape,
    at_once: int,
    clock: Clock,
    final: Reserve,
    notifier: Notifier,
    console: Console,
) -> None:
    """Run trials until the budget is used up. KeyboardInterrupt leaves what was running due.

    `at_once` is how many run at once as far as is known; `final` what is to be kept for the full training.
    """
    steward, herald = Steward(record, clock, one, at_once, final), Herald(record, notifier)

    def watch() -> None:
        steward.look()
        herald.look()

    with steward, Display(record, clock, console), repeated(watch, LOOK_SECONDS, "watch"):
        run(record, one)
        while steward.reopened():  # a budget that was raised when the executor was on its way out
            run(record, one)
    herald.look()
