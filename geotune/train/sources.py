"""Which source a run has: by how much of its backbone is frozen."""

from geotune.data.dataset import Split
from geotune.errors import GeotuneError
from geotune.model.cut import cut
from geotune.model.geolocator import Geolocator
from geotune.train.features import FeatureStore
from geotune.train.norms import looks_at_batches
from geotune.train.partly import Parts, PartStore, open_partly
from geotune.train.progress import Progress
from geotune.train.settings import TrainConfig
from geotune.train.source import FeatureSource, PhotoSource, Source


def open_source(
    model: Geolocator, train: Split, valid: Split, *, config: TrainConfig, progress: Progress, precision: str
) -> Source:
    """Photos; or with `input.views` what a frozen backbone, or all but its last stage, makes of them.

    What is stored is computed unless another trial did. Raises GeotuneError where a BatchNorm that is trained would see
    a single photo at a time.
    """
    settings = config.train
    if 1 in (len(train), settings.batch_size, settings.epoch_photos) and looks_at_batches(model):
        alone, mend = "1 training photo", "more photos, or input.fraction=1"
        if len(train) > 1:
            one = "batch_size" if settings.batch_size == 1 else "epoch_photos"
            alone, mend = f"train.{one}=1", f"train.{one}=16"
        raise GeotuneError(
            f"{alone}: the BatchNorm of {config.model.backbone} learns from several photos at once",
            f"freeze it: model.frozen_layers=5; or take {mend}",
        )
    store = open_store(model, config, progress, precision)
    if isinstance(store, PartStore):
        return open_partly(store, train, valid)
    return (
        FeatureSource(model, train, valid, config, store)
        if store
        else PhotoSource(model, train, valid, config, progress)
    )


def open_store(model: Geolocator, config: TrainConfig, progress: Progress, precision: str) -> FeatureStore | None:
    """Where what is frozen keeps its output; None where nothing is kept."""
    if not config.input.views:
        return None
    if model.backbone.is_frozen:
        return FeatureStore(model, config, progress, precision)
    found = cut(model.backbone, config.input.sizes)
    return PartStore(Parts(model, found), config, progress, precision) if found else None
