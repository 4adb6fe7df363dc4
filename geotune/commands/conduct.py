"""From a run folder to its exported model: trials, full training, MLflow, report; for `search`, `resume`, `finish`."""

import signal
import sys
import threading
from types import FrameType

from rich.console import Console

from geotune.commands.full_training import final_gpus, train_best_in_full
from geotune.commands.here import relative
from geotune.errors import DiskError, GeotuneError, disk_error
from geotune.final.full import Final, read_final
from geotune.record.budget import LIMITS, read_spend
from geotune.record.folder import RunFolder
from geotune.record.plan import Plan
from geotune.record.record import Record
from geotune.record.words import duration_text
from geotune.report.page import write_report
from geotune.search.budget import Clock
from geotune.search.display import result_of
from geotune.search.forecast import show_forecast
from geotune.search.notify import Notifier
from geotune.search.run import executor, run_trials
from geotune.search.spending import spending
from geotune.search.steward import Reserve, reopen
from geotune.track.sender import open_sender

SPENT = {"time": "the time is used up", "gpu_hours": "the GPU hours are used up"}
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

    def warn(text: str) -> None:
        console.print(text, style="yellow", highlight=False, markup=False)

    _sigterm_as_interrupt()
    record = Record(run)
    plan = record.plan
    sender, notifier = (
        open_sender(run.path, plan.settings.tracking, warn=warn),
        Notifier(plan.settings.notify, run, warn),
    )
    patience = 20.0
    try:
        if read_final(run) is None:
            with spending(run, plan, clock):
                if more_trials and reopen(record, clock):
                    with executor(plan, run) as (run_all, one, at_once):
                        expected = show_forecast(plan, record, one, at_once, clock, console)
                        sender.start()
                        reserve = Reserve(expected, final_gpus(plan))
                        run_trials(record, run_all, one, at_once, clock, reserve, notifier, console)
                sender.start()
                _train_the_best(record, clock, console)
            done = read_final(run)
            assert done is not None
            notifier.tell("end", f"{run.name}: {done}", trial=done.number, value=done.median)
        write_report(run.path)
    except KeyboardInterrupt:
        notifier.tell("end", f"{run.name} was interrupted: geotune resume {relative(run.path)}")
        _say_how_to_go_on(run, console)
        patience = 4.0  # Ctrl-C waits for no tracking server; what it misses is sent by the next command
        raise
    except Exception as error:
        notifier.tell("failure", f"{run.name} failed: {error}")
        if full := disk_error(error):
            mend = f"make room there, then go on: geotune resume {relative(run.path)}"
            raise DiskError(full.problem, mend) from None
        raise
    finally:
        if record.trials():
            sender.close(patience)
        record.close()
        notifier.close()
    final = read_final(run)
    assert final is not None
    _conclude(run, plan, final, console)


def _train_the_best(record: Record, clock: Clock, console: Console) -> None:
    """Say what the trials gave, and train the best in full."""
    if record.ending in LIMITS:
        console.print(f"the trials end here: {SPENT[record.ending]}, but for the full training", highlight=False)
    if not (ranked := record.ranked()):
        raise _nothing(record)
    console.print(result_of(record, console.is_terminal))
    train_best_in_full(record, ranked, clock, console)


def _conclude(run: RunFolder, plan: Plan, final: Final, console: Console) -> None:
    shown, spend = relative(run.path), read_spend(run)
    gpus = f", {spend.gpu_hours:.2f} GPU hours" if spend.gpu_hours else ""
    console.print(f"cost      {duration_text(spend.seconds)}{gpus}", highlight=False)
    console.print(f"model     {shown}/model     geotune predict {shown}/model photo.jpg", highlight=False)
    console.print(f"report    {shown}/report.html", highlight=False)
    if plan.settings.tracking != "none":
        runs = relative(run.path.parent)
        console.print(f"compare   geotune ui{'' if str(runs) == 'runs' else f' runs={runs}'}", highlight=False)
    one_point = f"one point for every photo would give {final.baseline:,.0f} {final.unit}"
    console.print(one_point, highlight=False)
    if final.baseline <= final.high:
        console.print("[yellow]this model is not shown to be better than that; more photos or more time may help")
    console.print(f"[bold]{final}", highlight=False)


def _nothing(record: Record) -> GeotuneError:
    failed = [view for view in record.trials() if view.reason]
    if not failed:
        more = f" {record.ending}=… with more than that" if record.ending in LIMITS else ""
        mend = f"geotune resume {relative(record.run.path)}{more}"
        return GeotuneError(f"{record.run.path}: no trial has ended an epoch yet", mend)
    last = failed[-1]
    reason = last.reason.strip()
    return GeotuneError(f"no trial gave a result; trial {last.number} {last.state}:\n{reason}")


def _say_how_to_go_on(run: RunFolder, console: Console) -> None:
    shown = relative(run.path)
    console.print("\nInterrupted; everything done so far is kept.", highlight=False)
    console.print(f"  geotune resume {shown}    to go on", highlight=False)
    console.print(f"  geotune finish {shown}    to train the best so far in full, now", highlight=False)


def _sigterm_as_interrupt() -> None:
    def interrupt(number: int, frame: FrameType | None) -> None:
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # begun with & in a script: Ctrl-C is not meant for it
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)  # Ray's own way to end, while it runs

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)
