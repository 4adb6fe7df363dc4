"""From a run folder to its exported model: trials, full training, MLflow, report; for `search`, `resume`, `finish`."""

import math
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.table import Table

from geotune.data.dataset import open_dataset
from geotune.data.threads import local_cpus, set_lease
from geotune.data.words import counted
from geotune.errors import GeotuneError
from geotune.final.distributed import processes
from geotune.final.full import Final, affordable, read_final, train_in_full
from geotune.final.winner import begin_with_winner
from geotune.record.folder import RunFolder
from geotune.record.plan import Plan, SearchSettings
from geotune.record.record import CANDIDATES, Record
from geotune.record.trial import TrialView
from geotune.report.page import write_report
from geotune.search.budget import Clock
from geotune.search.display import drawn_text, following, value_text
from geotune.search.forecast import before_start, show_forecast
from geotune.search.machine import this_machine
from geotune.search.run import executor, run_trials
from geotune.track.sender import open_sender
from geotune.train.interrupt import orderly
from geotune.train.outcomes import Diverged, Infeasible
from geotune.train.probe import probe
from geotune.train.settings import TrainConfig

WIDTH = 160
"""Columns where the output is no terminal: a log file does not wrap."""


def terminal() -> Console:
    """Where a command prints."""
    return Console(width=None if sys.stdout.isatty() else WIDTH)


def conduct(run: RunFolder, clock: Clock, *, more_trials: bool = True) -> None:
    """Run (the rest of) a search and its full training. Everything that is done is kept whatever happens.

    The record stays open, and so locked, to the end: no second geotune can train the same winner beside this one.
    Raises KeyboardInterrupt after Ctrl-C or SIGTERM, with the two ways to go on printed.
    """
    console = terminal()
    _sigterm_as_interrupt()
    record = Record(run)
    sender = open_sender(run.path, record.plan.settings.tracking, warn=lambda text: console.print(f"[yellow]{text}"))
    patience = 20.0
    try:
        if read_final(run) is None:
            if more_trials and not record.done:
                with executor(record.plan, run) as (run_all, one, at_once):
                    expected = show_forecast(record.plan, record, one, at_once, clock, console)
                    sender.start()
                    run_trials(record, run_all, one, clock, expected, console)
            sender.start()
            _full_training(record, clock, console)
        write_report(run.path)
    except KeyboardInterrupt:
        _say_how_to_go_on(run, console)
        patience = 4.0  # Ctrl-C waits for no tracking server; what it misses is sent by the next command
        raise
    finally:
        if record.trials():
            sender.close(patience)
        record.close()
    final = read_final(run)
    assert final is not None
    _conclude(run, record.plan, final, console)


def _full_training(record: Record, clock: Clock, console: Console) -> None:
    """Train the best trial's settings in full; where they fail when trained for longer, the next best trial's."""
    ranked = record.ranked()
    if not ranked:
        raise _nothing(record)
    console.print(_ranking(record, ranked))
    for winner in ranked[:CANDIDATES]:
        wanted = record.plan.full_config(winner.drawn)
        config = _affordable(record.plan, winner, wanted, clock.left)
        fewer = f" (of {wanted.train.epochs}: what the time allows)" if config != wanted else ""
        console.print(f"full training of trial {winner.number}, {config.train.epochs} epochs{fewer}", highlight=False)
        try:
            begun = begin_with_winner(record.run, winner.number, config)
            if begun.model.start != wanted.model.start:
                console.print(_beginning(winner.number, begun.model.start), highlight=False)
            with following(record.run.final, "full training", console):
                _train(record, winner.number, begun)
        except (Diverged, Infeasible) as error:
            console.print(f"[yellow]it ended without a model: {error}; the next best trial is taken", highlight=False)
        else:
            record.drop_kept()
            return
    raise GeotuneError("the full training of the three best trials failed", "look at full: in the space")


def _affordable(plan: Plan, winner: TrialView, wanted: TrainConfig, left: float) -> TrainConfig:
    """The winner's config with as many epochs as the time allows.

    Where they are other work than the winner's own, a few steps are timed; not on a cluster, whose workers differ from
    this machine.
    """
    if not plan.full_is_other_work or math.isinf(left) or plan.settings.address:
        return affordable(wanted, winner.seconds / max(1, len(winner.values)), left)
    timed = probe(before_start(wanted), open_dataset(plan.data), threads=local_cpus())
    return affordable(wanted, timed.seconds_epoch, left - timed.seconds_features)


def _beginning(number: int, start: str) -> str:
    if start:
        return f"it begins with the weights of trial {number}: {_relative(Path(start))}"
    return f"[yellow]it begins anew: no checkpoint of trial {number} is left (full.model.start=winner)"


def _train(record: Record, number: int, config: TrainConfig) -> None:
    path, settings = record.run.path, record.plan.settings
    if settings.executor == "ray" and (settings.address or _several(settings, config)):
        from geotune.final.remote import train_in_full_on_ray

        train_in_full_on_ray(record.plan, path, number, config)
        return
    import torch

    torch.set_num_threads(local_cpus())
    set_lease(None)
    with orderly():
        train_in_full(path, number, config)


def _several(settings: SearchSettings, config: TrainConfig) -> bool:
    """Whether more than one process of this machine is worth it: without, no Ray is started."""
    return processes(settings.workers, config, this_machine()) > 1


def _ranking(record: Record, ranked: list[TrialView]) -> Table:
    metric = record.plan.goal
    counts: dict[str, int] = {}
    for view in record.trials():
        state = "unfinished" if view.state == "due" else view.state
        counts[state] = counts.get(state, 0) + 1
    said = ", ".join(f"{count} {state}" for state, count in counts.items())
    title = f"{counted(len(record.trials()), 'trial')}: {said}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in ("trial", metric, "epochs", "settings"):
        table.add_column(column, justify="left" if column == "settings" else "right")
    for view in ranked[:5]:
        table.add_row(str(view.number), value_text(view.best, metric), str(len(view.values)), drawn_text(view.drawn))
    return table


def _conclude(run: RunFolder, plan: Plan, final: Final, console: Console) -> None:
    shown = _relative(run.path)
    console.print(f"model     {shown}/model     geotune predict {shown}/model photo.jpg", highlight=False)
    console.print(f"report    {shown}/report.html", highlight=False)
    if plan.settings.tracking != "none":
        runs = _relative(run.path.parent)
        console.print(f"compare   geotune ui{'' if str(runs) == 'runs' else f' runs={runs}'}", highlight=False)
    one_point = f"one point for every photo would give {final.baseline:,.0f} {final.unit}"
    console.print(one_point, highlight=False)
    if final.baseline <= final.high:
        console.print("[yellow]this model is not shown to be better than that; more photos or more time may help")
    console.print(f"[bold]{final}", highlight=False)


def _nothing(record: Record) -> GeotuneError:
    failed = [view for view in record.trials() if view.reason]
    if not failed:
        mend = f"geotune resume {_relative(record.run.path)}"
        return GeotuneError(f"{record.run.path}: no trial has ended an epoch yet", mend)
    last = failed[-1]
    reason = last.reason.strip()
    return GeotuneError(f"no trial gave a result; trial {last.number} {last.state}:\n{reason}")


def _say_how_to_go_on(run: RunFolder, console: Console) -> None:
    shown = _relative(run.path)
    console.print("\nInterrupted; everything done so far is kept.", highlight=False)
    console.print(f"  geotune resume {shown}    to go on", highlight=False)
    console.print(f"  geotune finish {shown}    to train the best so far in full, now", highlight=False)


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _sigterm_as_interrupt() -> None:
    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)
