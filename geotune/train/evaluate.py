"""A model on a split: each photo's error, and what is said of all of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from geotune.data.cache import decoded
from geotune.data.dataset import Split
from geotune.data.loader import batches
from geotune.geo.metrics import PER_KM, UNIT, Extent, summarise
from geotune.geo.sphere import distance_km
from geotune.geo.stats import Statistic, bootstrap_interval
from geotune.model.geolocator import Geolocator
from geotune.train.memory import MicroBatch, within_memory

Floats = NDArray[np.float64]

PHOTOS_AT_ONCE = 32


@dataclass(frozen=True)
class Evaluation:
    """What a model says of a split's photos, and how wrong it is; all arrays (N,) in the split's order."""

    extent: Extent
    metrics: dict[str, float]
    """Of geotune.geo.metrics, with the split's name before: `test/median_km`, …, `test/baseline_km`."""
    errors_km: Floats
    lat: Floats
    lon: Floats
    place: NDArray[np.int64]

    def interval_km(self, statistic: Statistic = "median", *, level: float = 0.95) -> tuple[float, float]:
        """(low, high) in km of a statistic by bootstrap over places: photos of one place err together."""
        return bootstrap_interval(self.errors_km, self.place, statistic, level=level)

    def with_interval(self) -> dict[str, float]:
        """The metrics, and the 95 % interval of the median as `…/median_low_km` and `…/median_high_km`."""
        prefix = next(iter(self.metrics)).partition("/")[0]
        low, high = (value * PER_KM[self.extent] for value in self.interval_km())
        unit = UNIT[self.extent]
        return self.metrics | {f"{prefix}/median_low_{unit}": low, f"{prefix}/median_high_{unit}": high}


def evaluate(model: Geolocator, split: Split, on_photos: Callable[[int, int], None] | None = None) -> Evaluation:
    """The model, in float32 on its own device, on every photo of a split. `on_photos(done, all)` hears of progress.

    Raises Infeasible when not even one photo fits in memory.
    """
    images = decoded(split, max(model.input.sizes))
    lat, lon = np.empty(len(split)), np.empty(len(split))
    micro = MicroBatch(PHOTOS_AT_ONCE)
    for photos, index in batches(images, np.arange(len(split)), PHOTOS_AT_ONCE):
        lat[index], lon[index] = locate(model, photos, micro)
        if on_photos:
            on_photos(int(index[-1]) + 1, len(split))
    errors_km = distance_km(split.lat, split.lon, lat, lon)
    return Evaluation(model.geography.extent, summary(model, split, lat, lon), errors_km, lat, lon, split.place)


@torch.no_grad()
def locate(model: Geolocator, photos: NDArray[np.uint8], micro: MicroBatch) -> tuple[Floats, Floats]:
    """Photos (b, H, W, 3) uint8 -> latitude and longitude (b,) in degrees."""
    model.eval()

    def parts() -> list[tuple[Floats, Floats]]:
        tensor = torch.from_numpy(photos)
        return [model.predict(tensor[part]) for part in micro.parts(len(photos))]

    found = within_memory(micro, parts)
    return np.concatenate([lat for lat, _ in found]), np.concatenate([lon for _, lon in found])


def summary(model: Geolocator, split: Split, lat: Floats, lon: Floats) -> dict[str, float]:
    """Predictions (N,) in degrees -> metrics with the split's name before, the baseline of one point among them.

    The baseline is the median error of always saying the training places' geometric median.
    """
    geography = model.geography
    errors_km = distance_km(split.lat, split.lon, lat, lon)
    trivial_km = distance_km(split.lat, split.lon, geography.lat_deg, geography.lon_deg)
    metrics = summarise(errors_km, geography.extent)
    unit = UNIT[geography.extent]
    metrics[f"baseline_{unit}"] = summarise(trivial_km, geography.extent)[f"median_{unit}"]
    return {f"{split.name}/{name}": value for name, value in metrics.items()}
