"""A bare PyTorch training loop, as a careful user writes it: the photos ready in memory, nothing around the steps.

The same model, loss, fused optimiser, clipping and memory format as geotune's; the tensors are float32, normalised, and
cut into batches beforehand. No augmentation, no files, no micro-batches, no checks, no progress.
"""

import time

import torch

from geotune.data.cache.squares import decoded
from geotune.data.dataset import open_dataset
from geotune.model.backbone import normalised
from geotune.train.optim import optimiser
from geotune.train.run import build_model, training_split
from geotune.train.settings import TrainConfig


class Bare:
    """`epoch()` -> the seconds of its steps."""

    def __init__(self, config: TrainConfig) -> None:
        dataset = open_dataset(config.data)
        split = training_split(config, dataset)
        self.model = build_model(config, dataset)
        self.clip = config.train.clip
        self.optimizer = optimiser(self.model, config.optim, config.train.batch_size)
        self.weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        photos = torch.from_numpy(decoded(split, self.model.size)[:])
        targets = self.model.targets(split.lat, split.lon)
        backbone = self.model.backbone
        self.batches = [
            (normalised(photos[part], backbone.mean, backbone.std), {name: t[part] for name, t in targets.items()})
            for part in torch.arange(len(split)).split(config.train.batch_size)
        ]
        self.photos = len(split)

    def epoch(self) -> float:
        model, optimizer = self.model, self.optimizer
        model.train()
        started = time.perf_counter()
        for pixels, targets in self.batches:
            optimizer.zero_grad(set_to_none=True)
            loss = model.loss(model.head(model.backbone.net(pixels)), targets)["loss"]
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.weights, self.clip)
            optimizer.step()
        return time.perf_counter() - started
