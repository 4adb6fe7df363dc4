"""The full training on Ray: as one task of a cluster's worker, or by several processes together."""

import math
from collections.abc import Callable
from pathlib import Path

from geotune.final.distributed import processes, train_together
from geotune.record.folder import RunFolder
from geotune.record.plan import Plan
from geotune.search.executors.ray_board import said_why
from geotune.search.executors.ray_cluster import cluster, on_worker
from geotune.search.machine import shape
from geotune.train.settings import TrainConfig


def train_in_full_on_ray(
    plan: Plan, run: Path, number: int, config: TrainConfig, holding: Callable[[float], None]
) -> None:
    """Run `train_in_full` where the GPUs are (the driver's node may have none), by all that are worth it.

    The run folder is shared, so workers write there. `holding` is told how many GPUs that takes, before it begins.
    """
    with cluster(plan.settings) as offer:
        one = shape(plan.settings, offer)
        count = processes(plan.settings.workers, config, offer)
        holding(count * math.ceil(one.gpus) if count > 1 else one.gpus)
        folder = RunFolder.open(run)
        with said_why(folder, one, count, folder.final.about.exists):
            if count > 1:
                train_together(run, number, config, one, count)
            else:
                on_worker(one, _task, str(run), number, config.model_dump_json(), one.threads)


def _task(run: str, number: int, config: str, threads: int) -> None:
    import torch

    from geotune.data.threads import set_lease
    from geotune.final.full import train_in_full

    torch.set_num_threads(threads)
    set_lease(threads)
    train_in_full(Path(run), number, TrainConfig.model_validate_json(config))
