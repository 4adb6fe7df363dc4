"""What a checkpoint belongs to: settings, photos, first weights and cells of the run that wrote it."""

import hashlib
import json
from pathlib import Path
from typing import Any

from geotune.config import flatten
from geotune.data.dataset import Dataset
from geotune.errors import GeotuneError
from geotune.model.geolocator import Geolocator
from geotune.train.settings import TrainConfig

FREE = ("data", "device", "model.start", "train.micro_batch", "train.patience", "train.max_skipped", "train.profile")
"""Settings that may differ when a run goes on: where and how it is computed, and when it gives up.

The dataset and the model that the training began with may have been moved: what they hold is compared instead.
"""
SHOWN = 3
"""Settings that differ, named at most."""


def identity(config: TrainConfig, dataset: Dataset, model: Geolocator) -> dict[str, Any]:
    """Plain data that is the same for a run and its checkpoints, and no others."""
    settings = flatten(config.model_dump(mode="json"))
    return {
        "settings": {key: value for key, value in settings.items() if key not in FREE},
        "photos": dataset.fingerprint,
        "start": model.starting_weights.get("sha256", ""),  # what is frozen is in no checkpoint
        "cells": hashlib.sha256(json.dumps(model.fitted, sort_keys=True).encode()).hexdigest()[:16],
    }


def check_same(stored: dict[str, Any], own: dict[str, Any], folder: Path) -> None:
    """Raises GeotuneError where a checkpoint in `folder` is of another run, with what differs."""
    if stored == own:
        return
    before, now = stored["settings"], own["settings"]
    differing = [key for key in now | before if before.get(key) != now.get(key)]
    if differing:
        told = ", ".join(f"{key}={_value(before, key)}, here {_value(now, key)}" for key in differing[:SHOWN])
        more = f" and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
        raise GeotuneError(
            f"{folder}: the checkpoint belongs to other settings ({told}{more})",
            "Go on with the settings that it was written with, or start without it.",
        )
    if stored["photos"] != own["photos"]:
        raise GeotuneError(
            f"{folder}: the checkpoint belongs to other photos "
            f"(dataset fingerprint {stored['photos'][:12]}, here {own['photos'][:12]})",
            "Go on with the dataset as it was, or start without it.",
        )
    if stored["start"] != own["start"]:
        raise GeotuneError(
            f"{folder}: the checkpoint belongs to a training that began with other weights "
            f"(SHA-256 {_begun(stored)}, here {_begun(own)})",
            "Go on with the model.start or model.weights that it began with, or start without it.",
        )
    raise GeotuneError(
        f"{folder}: the checkpoint belongs to other cells (fingerprint {stored['cells']}, here {own['cells']})",
        "These settings make other cells here: go on where, and with the cells file with which, it was written, or "
        "start without it.",
    )


def _begun(of: dict[str, Any]) -> str:
    return of["start"][:12] or "none"


def _value(settings: dict[str, Any], key: str) -> str:
    return str(settings.get(key, "(none)"))
