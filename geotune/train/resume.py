"""Where a training goes on: from a checkpoint, from the one before where that is damaged, or from mid-epoch."""

import logging
import time
from pathlib import Path
from typing import Any

from geotune.errors import GeotuneError
from geotune.train import checkpoint, ranks
from geotune.train.identity import check_same
from geotune.train.kept import CHECKPOINTS, PARTIAL, and_older, drop, kept, sweep
from geotune.train.run import Run

PARTIAL_SECONDS = 600.0
"""Time between checkpoints within an epoch."""

log = logging.getLogger(__name__)


def restore(run: Run, resume: Path | None) -> bool:
    """Put a run where it was: at `resume`, or ahead of it in mid-epoch. False where there is nothing to go on from.

    Of a damaged `resume` the one before, beside it, is taken. Raises GeotuneError where it is of another run or
    version, or none is whole. What lies in workdir/partial and cannot be used is only told of. What killed writers left
    unfinished is deleted.
    """
    if ranks.rank() == 0:
        sweep(run.workdir / CHECKPOINTS)
        sweep(run.workdir / PARTIAL)
    partial = _partial(run)
    try:
        found = _whole(resume, run) if resume else None
    except checkpoint.Damaged:
        if not partial:
            raise
        found = None
    if partial and (not found or len(partial[1]["history"]) >= len(found[1]["history"])):
        found = partial
    if not found:
        return False
    folder, state = found
    run.restore(state, folder)
    within = f", and {run.tally.step} of {run.source.stretches.steps} steps of the next" if run.in_epoch else ""
    log.info("going on from %s: %d of %d epochs are done%s", folder, len(run.history), run.config.train.epochs, within)
    return True


def save_partial(run: Run) -> None:
    """Write workdir/partial/<step>-<epoch>, in place of the one before."""
    run.saved_seconds = time.monotonic()
    if ranks.rank() == 0:
        folder = run.workdir / PARTIAL
        run.save(folder / f"{run.tally.step}-{run.epoch}")
        drop(folder, keep=1)


def drop_partial(run: Run) -> None:
    """After an epoch whose checkpoint is written."""
    if ranks.rank() == 0:
        drop(run.workdir / PARTIAL)


def _whole(resume: Path, run: Run) -> tuple[Path, dict[Any, Any]]:
    first: checkpoint.Damaged | None = None
    for folder in and_older(resume):
        try:
            state = checkpoint.load(folder)
        except checkpoint.Damaged as error:
            first = first or error
            log.warning("%s", error.problem)
            continue
        check_same(state["of"], run.identity, folder)
        return folder, state
    assert first is not None
    raise first


def _partial(run: Run) -> tuple[Path, dict[Any, Any]] | None:
    for folder in kept(run.workdir / PARTIAL):
        try:
            state = checkpoint.load(folder)
            check_same(state["of"], run.identity, folder)
        except GeotuneError as error:
            log.warning("%s; it is not used", error.problem)
        else:
            return folder, state
    return None
