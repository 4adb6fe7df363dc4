"""Trainings that are killed at an instant and go on: `python -m tests.train.killing FOLDER` with a config on stdin.

Prints, as JSON by the instant's name, what the training came to. One process imports everything and forks the others,
which kill themselves.
"""

import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import albumentations  # noqa: F401 - here, and not in every fork anew
import sklearn.cluster  # noqa: F401
import torch
import torch._dynamo

from geotune.config import build
from geotune.record.folder import TrialFolder
from geotune.train import checkpoint, loop, new_folder
from geotune.train.interrupt import Terminated, orderly
from geotune.train.settings import TrainConfig

TIMES = ("train/seconds", "train/photos_per_second", "train/waiting", "train/peak_mb")


def training(config: TrainConfig, folder: TrialFolder) -> None:
    """To its end, as those who train do it; the metrics of all epochs that were told go to metrics.json."""
    told: dict[int, dict[str, float]] = {}
    epoch = None
    for epoch in loop.train(config, folder.path, resume=folder.latest_checkpoint()):
        told[epoch.number] = {name: value for name, value in epoch.metrics.items() if name not in TIMES}
        epoch.save(folder.checkpoint(1, epoch.number))
        folder.drop_checkpoints(keep=2)
    epoch.export(folder.path / "model")
    left = [path.name for path in folder.path.glob("partial")]
    weights = hashlib.sha256((folder.path / "model" / "model.safetensors").read_bytes()).hexdigest()
    (folder.path / "result.json").write_text(json.dumps({"metrics": told, "weights": weights, "left": left}))


def kill(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def on_call(module: Any, name: str, number: int, do: Callable[..., Any]) -> None:
    """Replace a function: its call `number` is `do`, the others are its own."""
    own, calls = getattr(module, name), iter(range(1, 1_000_000))
    setattr(module, name, lambda *a, **k: do(*a, **k) if next(calls) == number else own(*a, **k))


def half_a_file(tensors: dict[str, torch.Tensor], path: Path) -> None:
    checkpoint.save_file(tensors, path)
    os.truncate(path, path.stat().st_size // 2)
    kill()


def term(*arguments: Any, take: Callable[..., Any] = loop.take) -> Any:
    os.kill(os.getpid(), signal.SIGTERM)
    return take(*arguments)


def partials() -> None:
    """A checkpoint after every step."""
    loop.PARTIAL_SECONDS = -1.0


# With four steps an epoch. `number` counts within the child, from 1.
INSTANTS: dict[str, Callable[[], None]] = {
    "before the first checkpoint": lambda: on_call(loop, "take", 3, kill),
    "in the first epoch": lambda: (partials(), on_call(loop, "take", 3, kill)),
    "in a later epoch": lambda: (partials(), on_call(loop, "take", 7, kill)),
    "in a later epoch, without a partial": lambda: on_call(loop, "take", 7, kill),
    "while it validates": lambda: (partials(), on_call(loop, "_validate", 2, kill)),
    "half a checkpoint is written": lambda: on_call(checkpoint, "save_file", 2, half_a_file),
    "half a partial one is written": lambda: (partials(), on_call(checkpoint, "save_file", 7, half_a_file)),
    "without its numbers": lambda: on_call(checkpoint, "_sha256", 2, kill),
    "before it has its name": lambda: on_call(new_folder.new_folder, "_finish", 2, kill),
    "saved, and not told": lambda: on_call(TrialFolder, "drop_checkpoints", 2, kill),
    "SIGTERM": lambda: on_call(loop, "take", 6, term),
    "again and again": lambda: (partials(), on_call(loop, "take", 4, kill)),
}


def in_child(work: Callable[[], None]) -> int:
    """The exit status of a fork that does it."""
    child = os.fork()
    if not child:
        try:
            with orderly():
                work()
        except Terminated:
            os._exit(143)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    config = build(TrainConfig, json.load(sys.stdin))
    results = {}
    for name in ["never", *INSTANTS]:
        trial = TrialFolder(folder / name)
        trial.path.mkdir()
        codes = []
        while name != "never" and (not codes or (name == "again and again" and codes[-1] != 0)):
            codes.append(in_child(lambda: (INSTANTS[name](), training(config, trial))))  # noqa: B023 - called at once
        if 0 not in codes:
            codes.append(in_child(lambda: training(config, trial)))  # noqa: B023
        results[name] = json.loads((trial.path / "result.json").read_text()) | {"codes": codes}
    sys.stdout.write(json.dumps(results) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
