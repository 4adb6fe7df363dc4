"""`train.profile`: what the first steps of a training do, operation by operation, for Perfetto or chrome://tracing."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, schedule

NAME = "trace.json.gz"
STEPS = 3
"""Steps in the trace at most, after one that warms up where there are several."""

log = logging.getLogger(__name__)


@contextmanager
def traced(folder: Path | None, steps: int) -> Iterator[Callable[[], object]]:
    """Gives what is to be called after each of `steps`; writes folder/trace.json.gz. `folder` of None: no trace."""
    if folder is None:
        yield lambda: None
        return
    path = folder / NAME

    def write(profiler: profile) -> None:
        profiler.export_chrome_trace(str(path))
        log.info("trace of the first steps: %s (open it in https://ui.perfetto.dev)", path)

    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * torch.cuda.is_available()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # where the only step is the first
        profiler = profile(
            activities=activities,
            schedule=schedule(wait=0, warmup=min(1, steps - 1), active=STEPS, repeat=1),
            on_trace_ready=write,
            record_shapes=True,
            acc_events=True,
        )
    with profiler:
        yield profiler.step
