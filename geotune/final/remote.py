"""The full training on a cluster's worker: the driver's node may have no GPU."""

from pathlib import Path

from geotune.record.plan import Plan
from geotune.search.executors.ray_cluster import cluster, on_worker
from geotune.search.machine import shape
from geotune.train.settings import TrainConfig


def train_in_full_on_cluster(plan: Plan, run: Path, number: int, config: TrainConfig) -> None:
    """Run `train_in_full` as one Ray task with a trial's resources; the run folder is shared, so it writes there."""
    with cluster(plan.settings) as offer:
        one = shape(plan.settings, offer)
        on_worker(one, _task, str(run), number, config.model_dump_json(), one.threads)


def _task(run: str, number: int, config: str, threads: int) -> None:
    import torch

    from geotune.data.threads import set_lease
    from geotune.final.full import train_in_full

    torch.set_num_threads(threads)
    set_lease(threads)
    train_in_full(Path(run), number, TrainConfig.model_validate_json(config))
