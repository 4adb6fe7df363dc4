"""A baseline without any training: the place of the training photo whose features are most like a photo's own."""

from collections.abc import Callable

import numpy as np
import torch

from geotune.data.dataset import Dataset, Split
from geotune.geo.sphere import Floats, distance_km
from geotune.train.bundle import Bundle
from geotune.train.device import Precision
from geotune.train.features import Features, FeatureStore
from geotune.train.progress import Progress

PHOTOS_AT_ONCE = 256


def nearest_photo_km(
    bundle: Bundle,
    dataset: Dataset,
    split: Split,
    training: Split,
    *,
    on_photos: Callable[[int, int], None] | None = None,
) -> Floats:
    """(N,) distances in km from the photos of a split to the place of the training photo (M) most like each.

    Features are those of the model's own backbone: of a wholly frozen one just as it was published, else tuned. They
    are standardised by the training photos and compared by the cosine. They are kept in the cache: of a frozen
    backbone they are there already on the machine that trained it. `on_photos(done, all)` hears of their
    progress. Raises Infeasible when no photo fits in memory.
    """
    config = bundle.config.model_copy(update={"data": dataset.source})
    precision = Precision(config.train.precision, next(bundle.model.parameters()).device)  # that of the training
    store = FeatureStore(bundle.model, config, _Heard(on_photos), precision.name)
    known_MD, asked_ND = (_joined(store.plain(part)) for part in (training, split))
    spread_D, mean_D = torch.std_mean(known_MD, dim=0, correction=0)
    spread_D = torch.where(spread_D > 0, spread_D, torch.ones(()))
    known_MD, asked_ND = ((part.sub_(mean_D).div_(spread_D)) for part in (known_MD, asked_ND))
    known_MD = torch.nn.functional.normalize(known_MD, dim=-1).to(store.device)
    # Only which training photo is best matters, not how alike it is: what is asked for needs no length of 1.
    best = [(part.to(store.device) @ known_MD.T).argmax(-1).cpu() for part in torch.split(asked_ND, PHOTOS_AT_ONCE)]
    chosen_N = torch.cat(best).numpy()
    return distance_km(split.lat, split.lon, training.lat[chosen_N], training.lon[chosen_N])


class _Heard(Progress):
    """Progress for a caller instead of a file."""

    def __init__(self, on_photos: Callable[[int, int], None] | None) -> None:
        super().__init__(None, 0)
        self._on_photos = on_photos

    def report(self, stage: str, step: int, steps: int) -> None:
        if self._on_photos:
            self._on_photos(step, steps)


def _joined(parts: list[Features]) -> torch.Tensor:
    return torch.from_numpy(np.concatenate(parts, axis=1, dtype=np.float32))
