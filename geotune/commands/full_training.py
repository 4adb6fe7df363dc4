"""The full training of a search's best trial, in the time and on the GPUs that the budget has left."""

import math
from pathlib import Path

from rich.console import Console

from geotune.commands.here import relative
from geotune.data.dataset import open_dataset
from geotune.data.threads import local_cpus, set_lease
from geotune.errors import GeotuneError
from geotune.final.distributed import processes
from geotune.final.full import affordable, train_in_full
from geotune.final.winner import begin_with_winner
from geotune.record.plan import Plan, SearchSettings
from geotune.record.record import CANDIDATES, Record
from geotune.record.trial import TrialView
from geotune.record.words import duration_text
from geotune.search.budget import Clock
from geotune.search.display import following
from geotune.search.forecast import before_start
from geotune.search.machine import local_gpus, this_machine
from geotune.train.interrupt import orderly
from geotune.train.outcomes import Diverged, Infeasible
from geotune.train.probe import probe
from geotune.train.settings import TrainConfig

OVER = "the search was over"


def train_best_in_full(record: Record, ranked: list[TrialView], clock: Clock, console: Console) -> None:
    """Train the best trial's settings in full; where they fail when trained for longer, the next best trial's.

    After it no trial goes on: what was left unfinished has ended too.
    """
    for winner in ranked[:CANDIDATES]:
        wanted = record.plan.full_config(winner.drawn)
        left = clock.for_final()
        config = affordable_config(record.plan, winner, wanted, left)
        fewer = f" (of {wanted.train.epochs}: what the budget allows)" if config != wanted else ""
        console.print(f"full training of trial {winner.number}, {config.train.epochs} epochs{fewer}", highlight=False)
        if left > max(0.0, clock.left) + 1.0:  # the clock has gone on since
            console.print(f"[yellow]the time is used up; it takes up to {duration_text(left)} more", highlight=False)
        try:
            begun = begin_with_winner(record.run, winner.number, config)
            if begun.model.start != wanted.model.start:
                console.print(_beginning(winner.number, begun.model.start), highlight=False)
            with following(record.run, "full training", console):
                _train(record, winner.number, begun, clock)
        except (Diverged, Infeasible) as error:
            console.print(f"[yellow]it ended without a model: {error}; the next best trial is taken", highlight=False)
        else:
            record.settle(OVER)
            record.drop_kept()
            return
        finally:
            clock.tick()
            clock.gpus = lambda: 0.0
    raise GeotuneError("the full training of the three best trials failed", "look at full: in the space")


def affordable_config(plan: Plan, winner: TrialView, wanted: TrainConfig, left: float) -> TrainConfig:
    """The winner's config with as many epochs as the time allows.

    Where they are other work than the winner's own, a few steps are timed; not on a cluster, whose workers differ from
    this machine.
    """
    if not plan.full_is_other_work or math.isinf(left) or plan.settings.address:
        return affordable(wanted, winner.seconds / max(1, winner.epochs), left)
    timed = probe(before_start(wanted), open_dataset(plan.data), threads=local_cpus())
    return affordable(wanted, timed.seconds_epoch, left - timed.seconds_features)


def final_gpus(plan: Plan) -> float:
    """GPUs that a full training by one process holds; several share its work in about as many GPU hours."""
    if plan.settings.gpus is not None:
        return float(math.ceil(plan.settings.gpus))
    return 1.0 if plan.settings.address or local_gpus() else 0.0


def _beginning(number: int, start: str) -> str:
    if start:
        return f"it begins with the weights of trial {number}: {relative(Path(start))}"
    return f"[yellow]it begins anew: no checkpoint of trial {number} is left (full.model.start=winner)"


def _train(record: Record, number: int, config: TrainConfig, clock: Clock) -> None:
    run, settings = record.run, record.plan.settings

    def holding(gpus: float) -> None:
        clock.gpus = lambda: gpus

    if settings.executor == "ray" and (settings.address or _several(settings, config)):
        from geotune.final.remote import train_in_full_on_ray

        train_in_full_on_ray(record.plan, run.path, number, config, holding)
        return
    import torch

    holding(final_gpus(record.plan))

    torch.set_num_threads(local_cpus())
    set_lease(None)
    with orderly():
        train_in_full(run.path, number, config)


def _several(settings: SearchSettings, config: TrainConfig) -> bool:
    """Whether more than one process of this machine is worth it: without, no Ray is started."""
    return processes(settings.workers, config, this_machine()) > 1
