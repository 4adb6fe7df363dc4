"""Trials in this process, one at a time: the executor for debuggers, tests and machines without Ray's needs."""

import traceback

import torch

from geotune.data.threads import set_lease
from geotune.errors import disk_error
from geotune.record.record import Record
from geotune.record.trial import Assignment, Decision, Outcome
from geotune.search.machine import Shape
from geotune.train.device import hold
from geotune.train.interrupt import orderly
from geotune.train.loop import train
from geotune.train.outcomes import Diverged, Infeasible


def run(record: Record, one: Shape) -> None:
    """Run all that the record issues; Ctrl-C or SIGTERM leave the running trial due, saved in mid-epoch."""
    torch.set_num_threads(one.threads)
    set_lease(one.threads)
    hold(one.gpus)
    while (assignment := record.issue()) is not None:
        try:
            with orderly():
                outcome, reason = _attempt(record, assignment)
        except KeyboardInterrupt:
            record.end("interrupted")
            record.give_back()
            raise
        record.finish(assignment.number, assignment.attempt, outcome, reason)


def _attempt(record: Record, assignment: Assignment) -> tuple[Outcome, str]:
    epochs = train(assignment.config, assignment.workdir, resume=assignment.resume_from)
    try:
        for epoch in epochs:
            epoch.save(assignment.checkpoint(epoch.number))
            if record.report(assignment.number, assignment.attempt, epoch.number, epoch.metrics) is Decision.STOP:
                return Outcome.STOPPED, ""
        return Outcome.COMPLETE, ""
    except Diverged as error:
        return Outcome.DIVERGED, str(error)
    except Infeasible as error:
        return Outcome.INFEASIBLE, str(error)
    except Exception as error:
        if full := disk_error(error):
            raise full from None  # the trial is not at fault, and the next would fail of it too
        return Outcome.CRASHED, traceback.format_exc()
    finally:
        epochs.close()
