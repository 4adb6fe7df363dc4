"""One dataset under one recipe: heads tried on it with every seed, and what their errors say."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from geotune.config import build as settings
from geotune.data.dataset import Dataset, open_dataset
from geotune.geo.metrics import PER_KM, UNIT
from geotune.geo.paired import paired
from geotune.geo.sphere import Floats, distance_km
from geotune.geo.stats import bootstrap_interval
from geotune.train.bundle import Bundle, load_bundle
from geotune.train.features import FeatureStore
from geotune.train.loop import train
from geotune.train.progress import Progress
from geotune.train.settings import TrainConfig

NEAREST = "nearest photo"
TRUNK = {"hidden": 256, "dropout": 0.2}
Row = dict[str, Any]


@dataclass(frozen=True)
class Tried:
    """A head after all seeds: (S·N,) for the test photos, one seed after another."""

    km: Floats
    lat: Floats
    lon: Floats
    seed_medians_km: list[float]
    seconds: float
    """Of an epoch's training steps; the median."""
    bundle: Bundle
    """Of the last seed."""


class Trial:
    """One dataset under one recipe; `tried` trains a head on it with every seed."""

    def __init__(self, name: str, data: Path, recipe: Mapping[str, Any], seeds: int, folder: Path) -> None:
        self.name, self.recipe, self.seeds, self.folder = name, {**recipe, "data": str(data)}, seeds, folder
        self.dataset: Dataset = open_dataset(data)
        self.known, self.test = self.dataset.split("train"), self.dataset.split("test")
        self.place = np.tile(self.test.place, seeds)
        self.unit, self.per_km = UNIT[self.dataset.extent], PER_KM[self.dataset.extent]

    def tried(self, head: Mapping[str, Any]) -> Tried:
        lat, lon, seconds, work = [], [], [], self.folder / "work"
        own = {f"model.head.{key}": value for key, value in {**TRUNK, **head}.items()}
        for seed in range(self.seeds):
            config = settings(TrainConfig, {**self.recipe, **own, "seed": seed})
            for epoch in train(config, work):
                seconds.append(epoch.metrics["train/seconds"])
            epoch.export(work / "model")
            bundle = load_bundle(work / "model")
            # As `geotune evaluate`, but that the frozen backbone's features of the test photos are computed once.
            features = FeatureStore(bundle.model, config, Progress(None, 0), "float32").plain(self.test)
            with torch.inference_mode():
                joined = torch.from_numpy(np.concatenate(features, axis=1)).to(bundle.model.backbone.mean.device)
                outputs = bundle.model.eval().head(joined)
            answers = bundle.model.decode(outputs)
            lat.append(answers.lat)
            lon.append(answers.lon)
        by_seed = [distance_km(self.test.lat, self.test.lon, *one) for one in zip(lat, lon, strict=True)]
        medians = [float(np.median(km)) for km in by_seed]
        found = (np.concatenate(by_seed), np.concatenate(lat), np.concatenate(lon))
        return Tried(*found, medians, float(np.median(seconds)), bundle)

    def row(self, head: str, km: Floats, baseline_km: Floats, **more: float | list[float]) -> dict[str, Row]:
        """`{dataset/head: {median, low, high, mean, …}}` in the dataset's unit, told as a line too."""
        errors, baseline = km * self.per_km, baseline_km * self.per_km
        low, high = bootstrap_interval(errors, self.place, "median")
        mean_low, mean_high = bootstrap_interval(errors, self.place, "mean")
        test = paired(baseline, errors, self.place)
        row: Row = {
            "median": float(np.median(errors)), "low": low, "high": high,
            "mean": float(errors.mean()), "mean_low": mean_low, "mean_high": mean_high,
            "baseline": float(np.median(baseline)), "verdict": test.verdict, "p_value": test.p_value, **more,
        }  # fmt: skip
        say(f"{self.name:11} {head:20} median {row['median']:7.1f} {self.unit} [{low:.1f}, {high:.1f}], "
            f"mean {row['mean']:7.1f} [{mean_low:.1f}, {mean_high:.1f}], against the {NEAREST}: {test.verdict} "
            f"(p {test.p_value:.3f}){_said(more)}")  # fmt: skip
        return {f"{self.name}/{head}": row}


def _said(more: Mapping[str, float | list[float]]) -> str:
    """Further figures of a row, as the end of its line."""
    listed = {name: value if isinstance(value, list) else [value] for name, value in more.items()}
    return "".join(f", {name} {' '.join(f'{one:.4g}' for one in value)}" for name, value in listed.items())


def say(text: str) -> None:
    print(text, flush=True)
