"""One search of `overhead`, as a process of its own: geotune's, or that of a plain Ray Tune script.

    python scripts/bench/searches.py ours|rival '{"data": …, "folder": …, "trials": 40, "fixed": {…}}'

Both train by the same `geotune.train`, two trials at once with a thread each, draw from the same space by TPE, have
successive halving look at every epoch (with a grace of all epochs: so both train the same), and log every epoch to
MLflow in a new SQLite file. The last line that is printed is JSON.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SLOTS = 2
LR, HIDDEN = (1e-4, 1e-2), (0, 64, 128)


def ours(data: str, folder: str, trials: int, fixed: dict[str, Any]) -> dict[str, Any]:
    """geotune's search, its clock, budget, display and sender among it, without the full training and the report."""
    from rich.console import Console

    from geotune.config import dump_yaml
    from geotune.record.folder import RunFolder
    from geotune.record.record import Record
    from geotune.search.notify import Notifier
    from geotune.search.prepare import prepare
    from geotune.search.run import executor, run_trials
    from geotune.search.spending import clock_of, spending
    from geotune.search.steward import Reserve
    from geotune.track.sender import open_sender

    space = Path(folder) / "bench.yaml"
    searched = {"optim.lr": {"log": list(LR)}, "model.head.hidden": {"choice": list(HIDDEN)}}
    space.write_text(dump_yaml({"base": fixed, "search": searched, "stopping": {"grace": fixed["train.epochs"]}}))
    plan, _ = prepare([f"space={space}", f"data={data}", f"runs={folder}/runs", f"trials={trials}", "cpus=1"])
    run = RunFolder.create(Path(plan.settings.runs), "bench")
    plan.write(run)
    record = Record(run)
    sender = open_sender(run.path, "")
    clock, notifier = clock_of(run, plan), Notifier("", run, print)
    with (
        (Path(folder) / "said.txt").open("w") as said,
        spending(run, plan, clock),
        executor(plan, run) as (run_all, one, at_once),
    ):
        sender.start()
        began = time.monotonic()
        run_trials(record, run_all, one, at_once, clock, Reserve(0.0), notifier, Console(file=said, width=160))
        seconds = time.monotonic() - began
    sender.close(60)
    epochs = [line for folder in run.trials() for line in folder.epochs()]
    record.close()
    inside = sum(line["metrics"]["train/seconds"] for line in epochs)
    return {"trials": len(list(run.trials())), "epochs": len(epochs), "inside": inside, "seconds": seconds}


def rival(data: str, folder: str, trials: int, fixed: dict[str, Any]) -> dict[str, Any]:
    """A plain script, as Ray's documentation writes it."""
    import ray
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    def trainable(config: dict[str, Any]) -> None:
        import torch

        from geotune.config import build
        from geotune.data.threads import set_lease
        from geotune.train.loop import train
        from geotune.train.settings import TrainConfig

        torch.set_num_threads(1)
        set_lease(1)
        with tempfile.TemporaryDirectory() as work:
            for epoch in train(build(TrainConfig, {**fixed, **config, "data": data}), Path(work)):
                tune.report(epoch.metrics)

    epochs = fixed["train.epochs"]
    ray.init(address="local", num_cpus=SLOTS, include_dashboard=False, log_to_driver=False)
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space={"optim.lr": tune.loguniform(*LR), "model.head.hidden": tune.choice(HIDDEN)},
        tune_config=tune.TuneConfig(
            metric="valid/median_m",
            mode="min",
            num_samples=trials,
            max_concurrent_trials=SLOTS,
            search_alg=OptunaSearch(),
            scheduler=ASHAScheduler(max_t=epochs, grace_period=epochs, reduction_factor=3),
        ),
        run_config=tune.RunConfig(
            name="rival",
            storage_path=folder,
            verbose=0,
            callbacks=[MLflowLoggerCallback(tracking_uri=f"sqlite:///{folder}/mlflow.db", experiment_name="rival")],
        ),
    )
    began = time.monotonic()
    results = tuner.fit()
    seconds = time.monotonic() - began
    found = [result.metrics["training_iteration"] for result in results]
    return {"trials": len(found), "epochs": sum(found), "seconds": seconds}


if __name__ == "__main__":
    print(json.dumps({"ours": ours, "rival": rival}[sys.argv[1]](**json.loads(sys.argv[2]))))
