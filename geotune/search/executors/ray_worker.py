"""The Ray actor that runs trials, one after another: an epoch a step, then one last result with the outcome."""

import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import ray
from ray import tune

from geotune.errors import disk_error
from geotune.record.folder import TrialFolder
from geotune.record.outcome import Outcome
from geotune.search.executors.ray_storage import unshared

SPOILING = (Outcome.CRASHED, Outcome.INFEASIBLE)
"""Outcomes that leave a process in doubt: its GPU memory in pieces, or its CUDA context broken for good."""


class Worker(tune.Trainable):  # type: ignore[misc]
    """`config`: number, attempt, config (JSON), workdir, resume_from, mark (of the run folder), threads, gpus."""

    def setup(self, config: dict[str, Any]) -> None:
        import torch

        from geotune.data.threads import set_lease
        from geotune.train.device import hold

        torch.set_num_threads(config["threads"])
        set_lease(config["threads"])
        hold(config["gpus"])
        self._begin(config)
        self._unshared = unshared(Path(config["mark"]))  # a node may have joined since all were looked at

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._epochs.close()
        self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        from geotune.train.loop import train
        from geotune.train.settings import TrainConfig

        self._id = {"number": config["number"], "attempt": config["attempt"]}
        self._folder, resume = TrialFolder(Path(config["workdir"])), config["resume_from"]
        train_config = TrainConfig.model_validate_json(config["config"])
        self._epochs = train(train_config, self._folder.path, resume=Path(resume) if resume else None)
        self._spoiled, self._unshared = False, ""

    def step(self) -> dict[str, Any]:
        from geotune.train.interrupt import Terminated, orderly
        from geotune.train.outcomes import Diverged, Infeasible

        if self._spoiled:
            raise RuntimeError("a fresh worker takes the next trial")
        if self._unshared:
            self._spoiled = True
            return self._id | {"unshared": self._unshared, "node": ray.get_runtime_context().get_node_id()}
        began, used = time.perf_counter(), time.process_time()
        try:
            with orderly():
                epoch = next(self._epochs)
            epoch.save(self._folder.checkpoint(self._id["attempt"], epoch.number))
            cpus_used = (time.process_time() - used) / (time.perf_counter() - began)
            figures = {"gpu_mb": _gpu_mb(), "cpus_used": cpus_used, "replayed": epoch.replayed}
            return self._id | {"epoch": epoch.number, "metrics": json.dumps(epoch.metrics)} | figures
        except Terminated:  # a node that is taken away: saved in mid-epoch, the trial is due again
            sys.exit(143)
        except StopIteration:
            return self._outcome(Outcome.COMPLETE, "")
        except Diverged as error:
            return self._outcome(Outcome.DIVERGED, str(error))
        except Infeasible as error:
            return self._outcome(Outcome.INFEASIBLE, str(error))
        except Exception as error:
            return self._failed(error)

    def _failed(self, error: Exception) -> dict[str, Any]:
        if full := disk_error(error):
            return self._id | {"full": f"{ray.util.get_node_ip_address()}: {full.problem}", "mend": full.hint}
        return self._outcome(Outcome.CRASHED, "".join(traceback.format_exception(error)))

    def _outcome(self, outcome: Outcome, reason: str) -> dict[str, Any]:
        self._spoiled = outcome in SPOILING
        # Without Ray's "done": of such a result it would tell no scheduler.
        return self._id | {"outcome": outcome.value, "reason": reason}

    def cleanup(self) -> None:
        self._epochs.close()


def _gpu_mb() -> float:
    """Memory of the GPU that is in use; 0 where none is."""
    import torch

    initialized = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return torch.cuda.get_device_properties(0).total_memory / 1e6 if initialized else 0.0
