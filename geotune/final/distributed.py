"""The full training by several processes, a GPU each: the same `train`, under Ray Train's torch trainer."""

import logging
import math
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from geotune.errors import GeotuneError
from geotune.final.full import read_final
from geotune.model.backbone import FROZEN_WHOLE
from geotune.model.heads.retrieval import RetrievalSettings
from geotune.record.folder import RunFolder
from geotune.search.machine import Offer, Shape
from geotune.train.outcomes import Diverged, Infeasible
from geotune.train.position import check_shared
from geotune.train.settings import TrainConfig

LOST = 3
"""How often a lost process or node has the training go on from its last checkpoint with fresh ones."""
LEAST_PHOTOS = 32
"""Photos of a batch that are worth a process of their own."""


def processes(workers: Literal["auto"] | int, config: TrainConfig, offer: Offer) -> int:
    """How many processes train together: what `workers` says; auto: one a GPU, where each has photos enough.

    They share a batch evenly, in whole groups of `train.norm_batch`: six GPUs and four groups make four processes.
    Each process compares its own photos of a batch alone: a head that compares them learns something else together,
    which is for the user to want.
    """
    if workers != "auto":
        return workers
    if config.model.frozen_layers == FROZEN_WHOLE:  # the head alone takes seconds
        return 1
    if isinstance(config.model.head, RetrievalSettings):
        return 1
    batch = config.train.batch_size
    groups = -(-batch // config.train.norm_batch)
    most = min(sum(int(gpus) for _, gpus in offer.nodes), batch // LEAST_PHOTOS)
    return next((count for count in range(most, 1, -1) if not batch % count and not groups % count), 1)


def train_together(run: Path, number: int, config: TrainConfig, one: Shape, count: int) -> None:
    """Run `train_in_full` in `count` Ray workers that share each batch; the first of them reports and saves.

    Raises what `train_in_full` raises, KeyboardInterrupt after Ctrl-C.
    """
    check_shared(config.train.batch_size, count)  # before any process starts
    from ray import train
    from ray.train.torch import TorchConfig, TorchTrainer
    from ray.tune.progress_reporter import TrialProgressCallback

    for name in ("ray.train", "ray.tune"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    gpus = float(math.ceil(one.gpus))  # unlike a trial, it shares its GPU with none
    backend = "nccl" if gpus and config.device != "cpu" else "gloo"
    resources = {"CPU": one.cpus} | ({"GPU": gpus} if gpus else {})

    class Silent(TrialProgressCallback):  # type: ignore[misc]  # Ray's own prints whatever `verbose` says
        def on_trial_complete(self, *_: Any, **__: Any) -> None: ...
        def on_trial_error(self, *_: Any, **__: Any) -> None: ...

    def trainer() -> Any:
        return TorchTrainer(
            _process,
            train_loop_config=_packed(run, number, config, one),
            torch_config=TorchConfig(backend=backend),
            scaling_config=train.ScalingConfig(
                num_workers=count,
                use_gpu=bool(gpus),
                resources_per_worker=resources,
                trainer_resources={"CPU": 0},
            ),
            run_config=train.RunConfig(
                name=time.strftime("full-%Y%m%d-%H%M%S"),
                storage_path=str(run / "ray"),
                verbose=0,
                callbacks=[Silent()],
            ),
        )

    _fit(trainer, run)


def _fit(trainer: Callable[[], Any], run: Path) -> None:
    from ray.train.base_trainer import TrainingFailedError

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGUSR1)}
    try:
        for left in reversed(range(LOST + 1)):
            try:
                trainer().fit()
                break
            except TrainingFailedError as error:
                cause = getattr(error.__cause__, "cause", None)
                if isinstance(cause, GeotuneError | Diverged | Infeasible):  # once more changes nothing
                    raise cause from None
                if not left:  # else a process or node is gone, and the others lost touch with it
                    raise
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():  # Ray leaves its own behind: it would swallow the next Ctrl-C
                signal.signal(number, handler)
    if read_final(RunFolder.open(run)) is None:  # Ray ends quietly on Ctrl-C
        raise KeyboardInterrupt


def _packed(run: Path, number: int, config: TrainConfig, one: Shape) -> dict[str, Any]:
    return {"run": str(run), "number": number, "config": config.model_dump_json(), "threads": one.threads}


def _process(task: dict[str, Any]) -> None:
    """What each of the processes does: the first runs the full training, the others take part in its epochs."""
    import torch
    from ray.train.torch import get_device

    from geotune.data.threads import set_lease
    from geotune.final.full import train_in_full
    from geotune.train import ranks

    torch.set_num_threads(task["threads"])
    set_lease(task["threads"])
    if torch.cuda.is_available():
        torch.cuda.set_device(get_device())
    run = Path(task["run"])
    if ranks.agreed(read_final(RunFolder.open(run)) is not None):
        return
    if ranks.rank() == 0:
        train_in_full(run, task["number"], TrainConfig.model_validate_json(task["config"]), begin=_announced)
    else:
        _follow()


def _announced(config: TrainConfig, workdir: Path, *, resume: Path | None) -> Any:
    """`train`, after the other processes were told what."""
    from geotune.train import ranks
    from geotune.train.loop import train

    ranks.agreed((config.model_dump_json(), str(workdir), str(resume or "")))
    return train(config, workdir, resume=resume)


def _follow() -> None:
    from geotune.train import ranks
    from geotune.train.loop import train

    config, workdir, resume = ranks.agreed(("", "", ""))
    epochs = train(TrainConfig.model_validate_json(config), Path(workdir), resume=Path(resume) if resume else None)
    for _ in epochs:
        pass
