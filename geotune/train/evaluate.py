"""A model on a split: each photo's error, and what is said of all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from geotune.data.cache.squares import decoded
from geotune.data.dataset import Split
from geotune.data.loader import batches
from geotune.geo.baselines import mean_place_km, nearest_place_km
from geotune.geo.cells.partition import Partition
from geotune.geo.hits import cell_accuracy, cells_of_centres, country_accuracy, floor_km
from geotune.geo.metrics import UNIT, Extent, measures, median_of
from geotune.geo.paired import Paired, paired
from geotune.geo.sphere import distance_km
from geotune.geo.stats import Interval, Measure, Statistic, bootstrap_intervals
from geotune.model.geolocator import Answers, Geolocator
from geotune.train.memory import MicroBatch, within_memory

Floats = NDArray[np.float64]

PHOTOS_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model says of a split's photos, and how wrong it is; all arrays (N,) in the split's order."""

    split: str
    extent: Extent
    measures: dict[str, Measure]
    """The numbers by the names of geotune.geo.metrics, `median_km`, …, the baselines among them."""
    errors_km: Floats
    lat: Floats
    lon: Floats
    place: NDArray[np.int64]

    @cached_property
    def metrics(self) -> dict[str, float]:
        """The values of the measures, with the split's name before: `test/median_km`, …, `test/baseline_km`."""
        return {f"{self.split}/{name}": measure.value() for name, measure in self.measures.items()}

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """95 % (low, high) of every metric by bootstrap over places: photos of one place err together."""
        found = bootstrap_intervals(self.measures, self.place)
        return {f"{self.split}/{name}": interval for name, interval in found.items()}

    def beside(self, name: str, errors_km: Floats) -> "Evaluation":
        """With the median of a baseline's errors (N,) in km as one more metric."""
        return replace(self, measures=self.measures | median_of(name, errors_km, self.extent))

    def with_interval(self) -> dict[str, float]:
        """The metrics, and the 95 % interval of the median as `…/median_low_km` and `…/median_high_km`."""
        unit = UNIT[self.extent]
        low, high = self.intervals[f"{self.split}/median_{unit}"]
        return self.metrics | {f"{self.split}/median_low_{unit}": low, f"{self.split}/median_high_{unit}": high}

    def against(self, other: "Evaluation", statistic: Statistic = "median") -> Paired:
        """What the photos say of this model against another, in km. Raises ValueError where they are others."""
        return paired(other.errors_km, self.errors_km, self.place, statistic)


def evaluate(
    model: Geolocator,
    split: Split,
    training: Split | None = None,
    *,
    on_photos: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """The model, in float32 on its own device, on every photo of a split. `on_photos(done, all)` hears of progress.

    Metrics as in training and, beside them, those that cost more: right countries (of the world), right cells and the
    cells' floor (of heads with cells), and with `training` photos the baselines that need their places. Raises
    Infeasible when not even one photo fits in memory.
    """
    images = [decoded(split, size) for size in photo_sizes(model)]
    micro = MicroBatch(PHOTOS_AT_ONCE)
    streams = [batches(photos, np.arange(len(split)), PHOTOS_AT_ONCE) for photos in images]
    parts: list[Answers] = []
    order: list[NDArray[np.int64]] = []
    for batch in zip(*streams, strict=True):
        parts.append(locate(model, [photos for photos, _ in batch], micro))
        order.append(batch[0][1])
        if on_photos:
            on_photos(int(order[-1][-1]) + 1, len(split))
    answers = Answers.concat(parts)
    if not np.array_equal(np.concatenate(order), np.arange(len(split))):
        raise RuntimeError("the loader gave the photos in another order")
    found = _measures(model, split, answers.lat, answers.lon) | _beside(model, split, answers, training)
    errors_km = distance_km(split.lat, split.lon, answers.lat, answers.lon)
    return Evaluation(split.name, model.geography.extent, found, errors_km, answers.lat, answers.lon, split.place)


def photo_sizes(model: Geolocator) -> list[int]:
    """The sides of the squares that `locate` takes: exactly what the model saw in training.

    A wholly frozen backbone with fixed views was shown each size as the cache makes it; any other scaled the largest
    down itself.
    """
    ready = model.backbone.is_frozen and model.input_settings.views
    return list(model.input_settings.sizes) if ready else [model.size]


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
    return {f"{split.name}/{name}": one.value() for name, one in _measures(model, split, lat, lon).items()}


def _measures(model: Geolocator, split: Split, lat: Floats, lon: Floats) -> dict[str, Measure]:
    """What is said after every epoch: the errors, and the baseline of one point."""
    geography = model.geography
    errors_km = distance_km(split.lat, split.lon, lat, lon)
    trivial_km = distance_km(split.lat, split.lon, geography.lat_deg, geography.lon_deg)
    return measures(errors_km, geography.extent) | median_of("baseline", trivial_km, geography.extent)


def _beside(model: Geolocator, split: Split, answers: Answers, training: Split | None) -> dict[str, Measure]:
    """What is said only of an evaluation."""
    extent, found = model.geography.extent, dict[str, Measure]()
    if extent == "world" and (right := country_accuracy(split.lat, split.lon, answers.lat, answers.lon)):
        found["country"] = right
    partition = getattr(model.head, "partition", None)
    if isinstance(partition, Partition) and answers.candidates is not None:
        ranked_Nk = cells_of_centres(partition, answers.candidates.lat, answers.candidates.lon)
        found |= cell_accuracy(partition, split.lat, split.lon, ranked_Nk)
    if training is not None:
        places = (training.lat, training.lon, split.lat, split.lon)
        found |= median_of("mean_place", mean_place_km(*places), extent)
        if split.name != training.name:  # else every photo is its own nearest
            found |= median_of("nearest_place", nearest_place_km(*places), extent)
    if isinstance(partition, Partition):
        found |= median_of("floor", floor_km(partition, split.lat, split.lon), extent)
    return found
