"""One step of the optimiser over one batch, in as many micro-batches as memory asks for."""

import torch

from geotune.model.heads.base import Targets
from geotune.train.memory import within_memory
from geotune.train.optim import set_learning_rate
from geotune.train.run import Run


def take(run: Run, inputs: torch.Tensor, index: torch.Tensor, at: int, total: int) -> dict[str, torch.Tensor]:
    """Learn from a batch: inputs (b, …) and the indices (b,) of their photos in the training split.

    The step is number 0 ≤ `at` < `total` of the whole run, which decides its learning rate. Returns the losses by
    part: detached means over the batch's photos, on the device.
    """
    run.rate = set_learning_rate(run.optimizer, run.config.optim, at, total)
    losses = within_memory(run.source.micro, gradients, run, inputs, index)
    run.precision.step(run.optimizer, run.config.train.clip)
    return losses


def gradients(run: Run, inputs: torch.Tensor, index: torch.Tensor) -> dict[str, torch.Tensor]:
    """The gradients of the batch's mean loss, summed over micro-batches, each weighted by its share of photos."""
    run.optimizer.zero_grad(set_to_none=True)
    sums: dict[str, torch.Tensor] = {}
    for part in run.source.micro.parts(len(index)):
        with run.precision.autocast():
            outputs = run.source.outputs(inputs[part])
        losses = run.model.loss(outputs, of_photos(run.targets, index[part]))
        share = (part.stop - part.start) / len(index)
        run.precision.backward(losses["loss"] * share)
        for name, loss in losses.items():
            sums[name] = sums.get(name, 0) + loss.detach() * share
    return sums


def of_photos(targets: Targets, index: torch.Tensor) -> Targets:
    """The targets of some photos."""
    return {name: tensor[index.to(tensor.device)] for name, tensor in targets.items()}
