"""A model on a split: each photo's error, and what is said of all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from geotune.data.cache.squares import decoded
from geotune.data.dataset import Split
from geotune.data.loader import batches
from geotune.geo.metrics import PER_KM, UNIT, Extent, summarise
from geotune.geo.sphere import distance_km
from geotune.geo.stats import Statistic, bootstrap_interval
from geotune.model.geolocator import Answers, Geolocator
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
    images = [decoded(split, size) for size in photo_sizes(model)]
    lat, lon = np.empty(len(split)), np.empty(len(split))
    micro = MicroBatch(PHOTOS_AT_ONCE)
    streams = [batches(photos, np.arange(len(split)), PHOTOS_AT_ONCE) for photos in images]
    for batch in zip(*streams, strict=True):
        index = batch[0][1]
        answers = locate(model, [photos for photos, _ in batch], micro)
        lat[index], lon[index] = answers.lat, answers.lon
        if on_photos:
            on_photos(int(index[-1]) + 1, len(split))
    errors_km = distance_km(split.lat, split.lon, lat, lon)
    return Evaluation(model.geography.extent, summary(model, split, lat, lon), errors_km, lat, lon, split.place)


def photo_sizes(model: Geolocator) -> list[int]:
    """The sides of the squares that `locate` takes: exactly what the model saw in training.

    A wholly frozen backbone was shown each size as the cache makes it; any other scaled the largest down itself.
    """
    return list(model.input_settings.sizes) if model.backbone.is_frozen else [model.size]


def locate(model: Geolocator, photos: Sequence[NDArray[np.uint8]], micro: MicroBatch) -> Answers:
    """The same photos (b, S, S, 3) uint8 in each of `photo_sizes` -> where they were taken."""
    device = next(model.parameters()).device
    model.eval()

    @torch.no_grad()
    def parts() -> list[Answers]:
        found = []
        for part in micro.parts(len(photos[0])):
            squares = [torch.from_numpy(pixels[part]).to(device) for pixels in photos]
            if len(squares) == 1:
                outputs = model(squares[0])
            else:
                outputs = model.head(torch.cat([model.pooled(pixels) for pixels in squares], dim=-1))
            found.append(model.decode(outputs))
        return found

    return Answers.concat(within_memory(micro, parts))


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
