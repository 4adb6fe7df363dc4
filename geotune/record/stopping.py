"""`stopping`: which rule stops a trial that lags behind, and its settings."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import Field

from geotune.config import Flat, Settings, unknown
from geotune.record.parameter import Parameter

RANGES = ("uniform", "log")
"""Kinds of parameters of which hardly two trials share a value."""
AUTO = 6
"""The grace is one in so many of a trial's epochs.

Learning-rate schedules span all epochs of a trial, so early ones tell the more of the end, the larger their share is.
`scripts/bench/stopping.py` compares this and the other defaults with other values.
"""
FEW_PHOTOS = 100
"""A first rung below so many photos is one that was meant in epochs."""


class StoppingSettings(Settings):
    """When a trial that lags behind is stopped. `stopping: none` is short for `stopping: {rule: none}`."""

    rule: Literal["asha", "hyperband", "median", "none"] = "asha"
    """asha: successive halving; hyperband, median: Optuna's rules; none: every trial runs to its end."""
    grace: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Epochs (or photos, see resource) that every trial gets: the first rung. auto: a sixth of its epochs, at least
    2."""
    factor: int = Field(2, ge=2)
    """One in so many goes on from a rung; the next rung is so many times higher."""
    enough: int = Field(4, ge=2)
    """Trials that a rung must hold before it stops one."""
    far: float = Field(2.0, ge=0)
    """asha: so many times the best trial's error, after as many epochs and after as many seconds, are too many even on
    an empty rung; 0: no such limit. With rungs_by, the best of those with the same value."""
    resource: Literal["epochs", "photos"] = "epochs"
    """asha: what rungs count: epochs, or photos seen, where epochs differ in length."""
    rungs_by: str = ""
    """asha: a searched setting; only trials with the same value of it are compared, as in model.backbone."""

    def first_rung(self, epochs: int) -> int:
        """The grace of a search whose longest trials have so many epochs."""
        return max(2, epochs // AUTO) if self.grace == "auto" else self.grace

    def settled(self, epochs: int) -> "StoppingSettings":
        """The same with the grace that auto means."""
        return self.model_copy(update={"grace": self.first_rung(epochs)})


def spelt_out(flat: Flat) -> Flat:
    """`{"stopping": "none"}` -> `{"stopping.rule": "none"}`; all else as it stands."""
    return {"stopping.rule" if key == "stopping" else key: value for key, value in flat.items()}


def problems(
    settings: StoppingSettings, parameters: Iterable[Parameter], fixed: Flat, objectives: int = 1
) -> Iterator[tuple[str, str]]:
    """What is wrong with the settings for a space of such parameters, as (key, a sentence)."""
    asha = settings.rule == "asha"
    if objectives > 1 and settings.rule in ("hyperband", "median"):
        yield "stopping.rule", f"{settings.rule} knows one objective, here are {objectives}; take asha or none"
    if settings.resource == "photos" and settings.rule in ("hyperband", "median"):
        yield "stopping.resource", f"{settings.rule} counts epochs; photos take stopping=asha"
    elif settings.resource == "photos" and asha and (settings.grace == "auto" or settings.grace < FEW_PHOTOS):
        yield "stopping.grace", f"expected photos, as in 20000, with stopping.resource=photos; got {settings.grace}"
    if 0 < settings.far <= 1:
        yield "stopping.far", f"expected a multiple of the best error, as in 2.5, or 0; got {settings.far:g}"
    found = {parameter.key: parameter for parameter in parameters}
    if asha and settings.rungs_by and settings.rungs_by not in fixed:
        parameter = found.get(settings.rungs_by)
        if parameter is None:
            problem = unknown(settings.rungs_by, found)
            yield "stopping.rungs_by", f"{settings.rungs_by} is not searched here: {problem}"
        elif parameter.kind in RANGES:
            problem = f"{settings.rungs_by} is a range, every trial would have a rung of its own"
            yield "stopping.rungs_by", f"{problem}; expected a setting with few values"
