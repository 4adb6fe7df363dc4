"""How photos are divided, and which question an error on the held-out ones then answers."""

from typing import Literal

from pydantic import Field, model_validator

from geotune.config import Length, Settings
from geotune.errors import SettingsError

SPLITS = ("train", "valid", "test")
OTHERS = {"burst": "of another burst", "session": "on another outing", "camera": "by another camera"}


class SplitSettings(Settings):
    """How photos are divided into train, valid and test."""

    by: Literal["place", "block", "given", "photo"] = "place"
    """What is held out: places, blocks of a grid, what the source's own splits say, or single photos of known spots."""
    radius: Length = Field(default="25m", gt=0)  # type: ignore[assignment]
    """Photos within this distance of a place's centre belong to that place."""
    block: Length = Field(default="50m", gt=0)  # type: ignore[assignment]
    """Side of a block of the grid (by=block)."""
    group: str = ""
    """Photos that are never divided: burst, session, camera, or a column of the source such as its owner."""
    gap: Length = Field(default="0m", ge=0)  # type: ignore[assignment]
    """Training photos nearer than this to a held-out photo are left out."""
    valid: float = Field(default=0.15, gt=0, lt=1)
    """Share of the photos that choose between trials."""
    test: float = Field(default=0.15, gt=0, lt=1)
    """Share of the photos that are kept for the one final test."""
    seed: int = Field(default=0, ge=0)
    """Which places, blocks or photos are held out."""

    @model_validator(mode="after")
    def _leaves_training_photos(self) -> "SplitSettings":
        if self.valid + self.test >= 1:
            law = "expected a sum below 1, to leave photos for training"
            raise SettingsError([("valid, test", f"{law}; got {self.valid:g} + {self.test:g}")])
        return self

    @property
    def question(self) -> str:
        """The question that an error on the held-out photos answers: new spots, or new photos of known spots."""
        asked = {
            "place": f"at new places (a place: what lies within {metres(self.radius)} of its centre)",
            "block": f"in {metres(self.block)} blocks of which it has seen no photo",
            "given": "on the photos that the source itself holds out",
            "photo": "on new photos of known spots (it may have seen the next photo of the same spot)",
        }[self.by]
        if self.group:
            asked += f", {OTHERS.get(self.group, f'of another {self.group}')}"
        if self.gap:
            asked += f", at least {metres(self.gap)} from every photo that it has seen"
        return asked


def metres(length: float) -> str:
    """`25 m`, `2.5 km`."""
    return f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
