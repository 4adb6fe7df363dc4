"""How many photos fit in memory at once, remembered for the node: a new trial starts there at once."""

import hashlib
import json
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from geotune.data.cache.entries import cache_root
from geotune.model.geolocator import Geolocator
from geotune.train.device import Precision, share
from geotune.train.settings import TrainConfig

RECIPE = 1
"""Part of every key: raise it when the same settings take more or less memory than before."""


class Fits:
    """The largest number of photos that fitted and the smallest that did not, under a key of all that decides it.

    A small JSON file under cache_root()/fits, replaced whole. Of two processes that write at once the last one wins,
    unlocked: what is lost is a hint, and costs the next trial one more try. So is a cache that cannot be written.
    """

    def __init__(self, key: dict[str, Any]) -> None:
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
        self.path: Path = cache_root() / "fits" / f"{name}.json"
        self.key = key

    @classmethod
    def of(cls, model: Geolocator, config: TrainConfig, *, gradients: bool) -> "Fits":
        """For one model, in training or without gradients, on the device where it is."""
        device = next(model.parameters()).device
        about: dict[str, Any] = {"recipe": RECIPE, "torch": torch.__version__, "share": share()}
        about |= {"backbone": config.model.backbone, "features": config.model.features, "sizes": config.input.sizes}
        about |= {"head": config.model.head.name, "weights": sum(w.numel() for w in model.parameters())}
        about |= {"device": device.type, "precision": Precision(config.train.precision, device).name}
        if device.type == "cuda":
            properties = torch.cuda.get_device_properties(device)
            about |= {"device": properties.name, "memory": properties.total_memory}
        if gradients:
            about |= {"trained": sum(w.numel() for w in model.parameters() if w.requires_grad)}
            about |= {"optimiser": config.optim.name, "ema": bool(config.train.ema)}
        return cls(about)

    def start(self, most: int) -> int:
        """Where to begin, of at most so many photos: with all, unless as many are known not to fit."""
        fitted, failed = self._read()
        if failed is None or most < failed:
            return most
        return max(1, min(most, max(fitted, failed // 2)))

    def fitted(self, photos: int) -> None:
        """So many fitted."""
        fitted, failed = self._read()
        if photos > fitted:
            self._write(photos, failed if failed is None or failed > photos else None)

    def failed(self, photos: int) -> None:
        """So many did not fit."""
        fitted, failed = self._read()
        if failed is None or photos < failed:
            self._write(fitted if fitted < photos else 0, photos)

    def _read(self) -> tuple[int, int | None]:
        """What fitted (0: nothing yet) and what did not; a damaged file says nothing."""
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            fitted, failed = found["fitted"], found["failed"]
        except (OSError, ValueError, KeyError, TypeError):
            return 0, None
        sound = isinstance(fitted, int) and fitted >= 0 and (failed is None or (isinstance(failed, int) and failed > 0))
        return (fitted, failed) if sound else (0, None)

    def _write(self, fitted: int, failed: int | None) -> None:
        fresh = self.path.with_name(f".{uuid.uuid4().hex}")
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps({"fitted": fitted, "failed": failed, "of": self.key}), encoding="utf-8")
            fresh.replace(self.path)
