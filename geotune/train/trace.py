"""`train.profile`: what the first steps of a training do, operation by operation, for Perfetto or chrome://tracing."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, schedule

NAME = "trace.json.gz"
STEPS = 3
"""Steps in the trace, after one that warms up."""

log = logging.getLogger(__name__)


@contextmanager
def traced(folder: Path | None) -> Iterator[Callable[[], object]]:
    """Gives what is to be called after each step; writes folder/trace.json.gz. `folder` of None: nothing is traced."""
    if folder is None:
        yield lambda: None
        return
    path = folder / NAME

    def write(profiler: profile) -> None:
        profiler.export_chrome_trace(str(path))
        log.info("trace of the first steps: %s (open it in https://ui.perfetto.dev)", path)

    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * torch.cuda.is_available()
    with profile(
        activities=activities,
        schedule=schedule(wait=0, warmup=1, active=STEPS, repeat=1),
        on_trace_ready=write,
        record_shapes=True,
        acc_events=True,
    ) as profiler:
        yield profiler.step
