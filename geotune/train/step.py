"""One step of the optimiser over one batch, in as many micro-batches as memory asks for: the result is the same."""

from collections.abc import Callable

import torch

from geotune.model.dropout import mixed, portion
from geotune.model.geolocator import Geolocator
from geotune.model.heads.base import Outputs, Targets
from geotune.train import ranks
from geotune.train.device import Precision, seed_everything
from geotune.train.memory import MicroBatch, within_memory
from geotune.train.norms import Averages
from geotune.train.optim import set_learning_rate
from geotune.train.outcomes import Diverged, Infeasible
from geotune.train.run import Run
from geotune.train.shortage import amounts, is_out_of_memory

Losses = dict[str, torch.Tensor]


def take(run: Run, inputs: torch.Tensor, index: torch.Tensor, at: int, total: int) -> Losses:
    """Learn from a batch: inputs (b, …) and the indices (b,) of their photos in the training split.

    The step is number 0 ≤ `at` < `total` of the whole run, which decides its learning rate and, with the seed, all
    that is random in it. Returns the losses by part: detached means over the batch's photos, on the device. A batch
    whose loss or gradient is no finite number is skipped and counted in `run.skipped`.

    Raises Infeasible where memory does not do, Diverged as `check_skipped` does.
    """
    run.rate = set_learning_rate(run.optimizer, run.config.optim, at, total)
    losses = backward(run, inputs, index, at)
    try:
        finite = run.precision.step(run.optimizer, run.config.train.clip, losses["loss"])
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        # Not repeated: some weights may have changed. The first step makes the averages of all, the later ones none.
        problem = f"out of memory with the averages of optim.name={run.config.optim.name}{amounts(str(error))}"
        raise Infeasible(problem, "take an optim.name with fewer averages, such as sgd") from None
    run.averages.settle(finite)
    run.ema.update(at)
    run.skipped += ~finite
    if run.skipped.device.type == "cpu":
        check_skipped(run)
    return losses


def backward(run: Run, inputs: torch.Tensor, index: torch.Tensor, at: int) -> Losses:
    """The gradients of step `at`, within memory, over all processes that share it; returns the losses by part."""
    run.averages.keep()
    stretches = run.source.stretches
    losses = within_memory(
        run.source.micro,
        gradients,
        run.model,
        inputs,
        of_photos(run.targets, index),
        forward=run.source.outputs,
        micro=run.source.micro,
        precision=run.precision,
        optimizer=run.optimizer,
        averages=run.averages,
        seed=mixed(run.config.seed, at),
        first=ranks.part(stretches.batch_photos(at % stretches.steps)).start,
    )
    return ranks.mean(len(index), run.model.parameters(), losses)


def check_skipped(run: Run) -> None:
    """Raises Diverged when more than `train.max_skipped` batches were skipped. On a GPU it waits for the last step."""
    skipped, most = int(run.skipped), run.config.train.max_skipped
    if skipped > most:
        raise Diverged(f"the loss or gradient of {skipped} batches was no finite number (train.max_skipped={most})")


def gradients(
    model: Geolocator,
    inputs: torch.Tensor,
    targets: Targets,
    *,
    forward: Callable[[torch.Tensor], Outputs],
    micro: MicroBatch,
    precision: Precision,
    optimizer: torch.optim.Optimizer,
    averages: Averages,
    seed: int,
    first: int = 0,
) -> Losses:
    """The gradients of a batch's mean loss, summed over micro-batches, each weighted by its share of the photos.

    `inputs` (b, …) and `targets` (b, …) are of the same photos, the batch's from number `first` on where processes
    share it; `forward` takes a part of the inputs. It can be repeated: random numbers and running averages begin
    where they did, which is where `averages` were last kept.
    """
    optimizer.zero_grad(set_to_none=True)
    averages.put_back()
    seed_everything(seed, precision.device)
    photos = len(inputs)
    parts = list(micro.parts(photos))

    def outputs(part: slice) -> Outputs:
        with precision.autocast(), portion(seed, slice(first + part.start, first + part.stop)):
            return forward(inputs[part])

    if model.head.compares and len(parts) > 1:
        with torch.no_grad():
            ahead = [outputs(part) for part in parts]
        averages.put_back()
        seed_everything(seed, precision.device)
        losses = _compared(model, targets, parts, ahead, outputs, precision)
    else:
        losses = {}
        for part in parts:
            own = model.loss(outputs(part), {name: tensor[part] for name, tensor in targets.items()})
            if len(parts) > 1:
                own = {name: loss * ((part.stop - part.start) / photos) for name, loss in own.items()}
            precision.backward(own["loss"])
            for name, loss in own.items():
                losses[name] = losses[name] + loss.detach() if name in losses else loss.detach()
    micro.fitted(photos)
    return losses


def _compared(
    model: Geolocator,
    targets: Targets,
    parts: list[slice],
    first: list[Outputs],
    outputs: Callable[[slice], Outputs],
    precision: Precision,
) -> Losses:
    """The gradients of a loss between the photos of a batch, which no part of it can tell alone.

    First those of the outputs, of all photos at once; then, part by part and in a second pass, those of the weights
    (the gradient cache of Gao et al. 2021).
    """
    whole = {name: torch.cat([own[name] for own in first]) for name in first[0]}
    for tensor in whole.values():
        tensor.requires_grad_(tensor.is_floating_point())
    losses = model.loss(whole, targets)
    precision.backward(losses["loss"])
    for part in parts:
        again = outputs(part)
        used = [name for name, tensor in again.items() if tensor.requires_grad and whole[name].grad is not None]
        torch.autograd.backward([again[name] for name in used], [whole[name].grad[part] for name in used])  # type: ignore[index]
    return {name: loss.detach() for name, loss in losses.items()}


def of_photos(targets: Targets, index: torch.Tensor) -> Targets:
    """The targets of some photos."""
    return {name: tensor[index.to(tensor.device)] for name, tensor in targets.items()}
