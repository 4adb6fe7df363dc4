"""Where to compute, and in which number format."""

from typing import Any, Literal

import torch

from geotune.errors import GeotuneError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(name: str) -> torch.device:
    """`auto` -> CUDA (or ROCm), else Apple's MPS, else the CPU. Raises GeotuneError for one that is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device, available in there.items() if available)
    if not there[name]:
        have = ", ".join(device for device, available in there.items() if available)
        raise GeotuneError(f"device={name}: torch finds no such device here (it has {have})", "Leave out device=.")
    if name == "cuda":  # photos all have one size: let cuDNN time its algorithms once
        torch.backends.cudnn.benchmark = True
    return torch.device(name)


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

    def step(self, optimizer: torch.optim.Optimizer, clip: float) -> None:
        """Unscale, clip the gradients' joint norm at `clip` (0 = not at all), and take the optimiser's step."""
        self.scaler.unscale_(optimizer)
        if clip:
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            torch.nn.utils.clip_grad_norm_(weights, clip)
        self.scaler.step(optimizer)
        self.scaler.update()

    def state_dict(self) -> dict[str, Any]:
        return self.scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state:
            self.scaler.load_state_dict(state)
