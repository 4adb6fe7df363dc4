"""Which source a run has: by how much of its backbone is frozen."""

from geotune.data.dataset import Split
from geotune.model.cut import cut
from geotune.model.geolocator import Geolocator
from geotune.train.features import FeatureStore
from geotune.train.partly import open_partly
from geotune.train.progress import Progress
from geotune.train.settings import TrainConfig
from geotune.train.source import FeatureSource, PhotoSource, Source


def open_source(
    model: Geolocator, train: Split, valid: Split, *, config: TrainConfig, progress: Progress, precision: str
) -> Source:
    """Photos; or with `input.views` what a frozen backbone, or all but its last stage, makes of them.

    What is stored is computed unless another trial did.
    """
    if config.input.views and model.backbone.is_frozen:
        store = FeatureStore(model, config, progress, precision)
        return FeatureSource(model, train, valid, config, store)
    if config.input.views and (found := cut(model.backbone, config.input.sizes)):
        return open_partly(model, found, train, valid, config=config, progress=progress, precision=precision)
    return PhotoSource(model, train, valid, config, progress)
