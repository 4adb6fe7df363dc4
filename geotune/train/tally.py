"""What the steps of an epoch add up to: losses, seconds, the share of them spent waiting for data, memory."""

import resource
import sys
import time
from collections.abc import Iterator
from typing import Any, TypeVar

import torch

T = TypeVar("T")


class Tally:
    """Sums over the steps of an epoch so far; an epoch that goes on from a checkpoint goes on with its sums."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.step = 0
        """Steps that are done."""
        self._losses: list[dict[str, torch.Tensor]] = []
        self._photos: list[int] = []
        self._seconds = 0.0  # until `_began`
        self._waiting = 0.0
        self._began = time.perf_counter()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def waited(self, batches: Iterator[T]) -> Iterator[T]:
        """The same batches, with the time taken that passes before each is there."""
        while True:
            asked = time.perf_counter()
            batch = next(batches, None)
            self._waiting += time.perf_counter() - asked
            if batch is None:
                return
            yield batch

    def add(self, losses: dict[str, torch.Tensor], photos: int) -> None:
        """A step: its losses by part, means over so many photos. They are kept: adding up takes longer."""
        self._losses.append(losses)
        self._photos.append(photos)
        self.step += 1

    def metrics(self) -> dict[str, float]:
        """train/loss and its parts, means over the photos; train/seconds, train/waiting, train/peak_mb and so on.

        Steps whose loss is no finite number do not count; where none is, the means are NaN.
        """
        means = self._means()  # on a GPU it waits for the last step
        seconds = self._elapsed()
        return {f"train/{name}": mean for name, mean in means.items()} | {
            "train/seconds": seconds,
            "train/photos_per_second": sum(self._photos) / seconds,
            "train/waiting": self._waiting / seconds,
            "train/peak_mb": peak_mb(self.device),
        }

    def state_dict(self) -> dict[str, Any]:
        names, loss_SL = self._table()
        state = {"names": names, "losses": loss_SL, "photos": self._photos}
        return state | {"seconds": self._elapsed(), "waiting": self._waiting}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._losses = [dict(zip(state["names"], row, strict=True)) for row in state["losses"].to(self.device)]
        self._photos = list(state["photos"])
        self.step = len(self._photos)
        self._seconds, self._waiting, self._began = state["seconds"], state["waiting"], time.perf_counter()

    def _table(self) -> tuple[list[str], torch.Tensor]:
        """The parts' names, and the losses (steps, parts) float32 on the CPU."""
        names = list(self._losses[0]) if self._losses else []
        values = [losses[name].float() for losses in self._losses for name in names]
        return names, (torch.stack(values).cpu() if values else torch.zeros(0)).view(len(self._losses), len(names))

    def _means(self) -> dict[str, float]:
        names, loss_SL = self._table()
        finite_S = torch.isfinite(loss_SL).all(-1)
        photos_S = torch.tensor(self._photos, dtype=torch.float64)[finite_S]
        mean_L = photos_S @ loss_SL.double()[finite_S] / photos_S.sum()
        return dict(zip(names, mean_L.tolist(), strict=True))

    def _elapsed(self) -> float:
        return self._seconds + time.perf_counter() - self._began


def peak_mb(device: torch.device) -> float:
    """The most memory so far: of a GPU what torch allocated (in this epoch, within a training), else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
