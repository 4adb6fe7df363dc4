"""Where to compute, and in which number format."""

import os
import sys
from typing import Any, Literal

import torch

from geotune.errors import GeotuneError

CONTEXT_BYTES = 600 << 20
"""Of a GPU's memory that a process takes before torch allocates anything: CUDA's context and kernels."""
LOWEST_SCALE = 1.0
"""Of float16's loss: gradients that are infinite even with this one are so by themselves."""
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(name: str) -> torch.device:
    """`auto` -> CUDA (or ROCm), else Apple's MPS, else the CPU. Raises GeotuneError for one that is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device, available in there.items() if available)
    if not there[name]:
        have = ", ".join(device for device, available in there.items() if available)
        raise GeotuneError(f"device={name}: torch finds no such device here (it has {have})", "Leave out device=.")
    if name == "cuda":
        _prepare_cuda()
        torch.backends.cudnn.benchmark = True  # photos all have one size: let cuDNN time its algorithms once
    return torch.device(name)


_share = 1.0


def hold(gpus: float) -> None:
    """Keep this process to its share of a GPU's memory, where it has less than a whole one; 0 or 1 and more: all of it.

    What goes beyond is an out-of-memory error of its own, from which it goes on with smaller portions, and never one of
    a neighbour's. Each process also has a CUDA context, which torch does not count: it is taken off the share.
    """
    global _share  # noqa: PLW0603 - the share belongs to the process, as torch's limit does
    wanted = gpus if 0 < gpus < 1 else 1.0
    if wanted != _share and torch.cuda.is_available():
        _prepare_cuda()
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(allowance(wanted, total))
    _share = wanted


def _prepare_cuda() -> None:
    """Before CUDA is in use: memory in pages that can be mapped anew.

    Halved micro-batches, ragged last batches and validation ask for blocks of other sizes than lie cached; in fixed
    segments pieces stay behind that are too small for them.
    """
    if sys.platform == "linux" and not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")


def share() -> float:
    """The share of a GPU that `hold` was told; 1 unless it was."""
    return _share


def allowance(share: float, total_bytes: int) -> float:
    """The share of a GPU's memory that torch may allocate: without the context, but at least half of `share`."""
    return 1.0 if share == 1 else max(share / 2, share - CONTEXT_BYTES / total_bytes)


def seed_everything(seed: int, device: torch.device) -> None:
    """Seed torch's own generators of the CPU and of a device; in a step `torch.manual_seed` would take too long."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


class Precision:
    """Automatic mixed precision: `autocast()` around the network, the scaled backward pass that float16 needs."""

    def __init__(self, setting: Literal["auto", "float32", "bfloat16", "float16"], device: torch.device) -> None:
        if setting == "auto":
            setting = "float32"  # neither CPUs nor Apple's GPUs gain (measured: facts)
            if device.type == "cuda":
                setting = "bfloat16" if torch.cuda.get_device_capability(device) >= (8, 0) else "float16"
        self.name = setting
        self.device = device
        self.scaler = torch.amp.GradScaler(device.type, enabled=setting == "float16" and device.type == "cuda")

    def autocast(self) -> torch.autocast:
        """A context for forward passes; losses belong outside, in float32."""
        return torch.autocast(self.device.type, DTYPES[self.name], enabled=self.name != "float32")

    def backward(self, loss: torch.Tensor) -> None:
        """Gradients of a loss, scaled where float16 would lose small ones."""
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def step(self, optimizer: torch.optim.Optimizer, clip: float, loss: torch.Tensor) -> torch.Tensor:
        """Unscale, clip the gradients' joint norm at `clip` (0 = not at all), and take the optimiser's step.

        It is left out where the loss or the norm is no finite number. Returns whether all was finite, as a scalar on
        the device. A gradient that is infinite because float16's scale is still too high counts as finite: the scaler
        leaves the step out, and lowers it.
        """
        self.scaler.unscale_(optimizer)
        own = [weight for group in optimizer.param_groups for weight in group["params"] if weight.grad is not None]
        norm = torch.nn.utils.get_total_norm([weight.grad for weight in own])
        finite = torch.isfinite(norm).to(loss.device) & torch.isfinite(loss)
        if clip:
            torch.nn.utils.clip_grads_with_norm_(own, clip, norm)
        if self.scaler.is_enabled():
            if self.scaler.get_scale() > LOWEST_SCALE:
                finite = torch.isfinite(loss)
            self.scaler.step(optimizer)
            self.scaler.update()
        elif getattr(optimizer, "_step_supports_amp_scaling", False):
            # torch's fused optimisers skip the step by this tensor, on the device: nobody waits for it.
            optimizer.grad_scale, optimizer.found_inf = None, (~finite).float()  # type: ignore[attr-defined]
            optimizer.step()
            del optimizer.grad_scale, optimizer.found_inf  # type: ignore[attr-defined]
        elif bool(finite):
            optimizer.step()
        return finite

    def state_dict(self) -> dict[str, Any]:
        return self.scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state:
            self.scaler.load_state_dict(state)
