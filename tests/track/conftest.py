"""What the tests of tracking share: an empty store with its tables, and how a search must stand in MLflow."""

from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from geotune.track.mlflow import store_uri
from tests.conftest import START


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store with its tables: making them takes seconds, copying them none."""
    folder = tmp_path_factory.mktemp("store")
    MlflowClient(store_uri(folder)).search_experiments()
    return folder / "mlflow.db"


def runs_in(client: MlflowClient, experiment: str = "geotune-demo", key: str = "") -> dict[str, Run]:
    """Every run by its name, which must be there once; of one search where its key is given."""
    found = client.get_experiment_by_name(experiment)
    every = client.search_runs([found.experiment_id]) if found else []
    every = [run for run in every if not key or run.data.tags["geotune.run"] == key]
    names = [run.info.run_name for run in every]
    assert len(names) == len(set(names)), f"runs stand there twice: {sorted(names)}"
    return {run.info.run_name: run for run in every}


def history(client: MlflowClient, run: Run, key: str) -> list[tuple[int, int, float]]:
    return [(m.step, m.timestamp, m.value) for m in client.get_metric_history(run.info.run_id, key)]


def assert_complete(client: MlflowClient, key: str = "") -> None:
    """The fixture `finished` as it must stand in MLflow."""
    runs = runs_in(client, key=key)
    assert set(runs) == {"demo-1", "trial 0", "trial 1", "trial 2", "trial 3", "full training"}
    parent = runs["demo-1"]
    assert {r.data.tags.get("mlflow.parentRunId") for r in runs.values() if r is not parent} == {parent.info.run_id}
    assert history(client, runs["trial 0"], "valid/median_km") == [
        (epoch, round(START * 1000) + 60_000 * epoch + 250, value)
        for epoch, value in ((1, 900.0), (2, 750.0), (3, 700.0))
    ]
    assert [(step, value) for step, _, value in history(client, runs["full training"], "valid/median_km")] == [
        (1, 700.0),
        (2, 350.0),
    ]
    assert len(history(client, runs["trial 2"], "valid/median_km")) == 1  # the NaN
    assert {name: r.info.status for name, r in runs.items()} == {
        "demo-1": "FINISHED",
        "trial 0": "FINISHED",
        "trial 1": "KILLED",
        "trial 2": "FAILED",
        "trial 3": "FAILED",
        "full training": "FINISHED",
    }
    assert runs["trial 0"].data.params == {
        "model.backbone": "resnet18",
        "model.head.name": "cells",
        "model.head.cells": "64",
        "train.epochs": "3",
        "optim.lr": "0.001",
    }
    assert runs["trial 1"].data.tags["geotune.outcome"] == "stopped"
    assert runs["trial 3"].data.tags["geotune.reason"] == "boom"
    assert runs["trial 0"].info.end_time == round((START + 600) * 1000)
    assert [value for _, _, value in history(client, parent, "test/median_km")] == [612.0]
    assert parent.data.metrics["test/low"] == 580.0
    assert parent.data.params["goal"] == "valid/median_km"
    assert parent.data.params["stopping.grace"] == "1"
    assert parent.data.tags["geotune.best"] == "trial 0: valid/median_km 700"
