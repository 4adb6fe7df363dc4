"""What may happen to a training photo, and how much of it: the kinds of change and the named policies.

A policy is a strength for each kind; how often a kind happens is the same in all of them.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Literal

from geotune.errors import GeotuneError

Policy = Literal["none", "light", "campus", "world", "strong"]


@dataclass(frozen=True)
class Kind:
    """One kind of change: what its strength means, the largest that makes sense, and how often it happens."""

    doc: str
    most: float
    share: float
    """Share of the photos that it happens to; 0 where the strength itself is that share."""


KINDS = {
    "crop": Kind("a crop leaves out up to this share of the photo", 0.9, 1.0),
    "rotate": Kind("tilted by up to so many degrees", 180.0, 0.7),
    "shear": Kind("sheared by up to so many degrees", 45.0, 0.7),
    "perspective": Kind("corners moved by up to this share of the side: another stance", 0.3, 0.4),
    "light": Kind("brightness and contrast changed by up to this share", 0.9, 0.8),
    "colour": Kind("saturation changed by up to this share", 0.9, 0.8),
    "balance": Kind("red, green and blue each changed by up to this share: another camera's white balance", 0.5, 0.4),
    "gamma": Kind("gamma changed by up to this share: another hour", 0.9, 0.3),
    "grey": Kind("this share of the photos loses its colour", 1.0, 0.0),
    "coarse": Kind("this share is compressed again, to a JPEG quality of 40 to 90", 1.0, 0.0),
    "blur": Kind("this share is out of focus", 1.0, 0.0),
    "erase": Kind("this share has a patch of one colour in it, as a passer-by would be", 1.0, 0.0),
}
"""Every kind has a setting of its name below `input.`, which takes a strength in place of the policy's."""

RATIO = (0.9, 1.1)
"""Width by height of a crop."""
ERASED = (0.1, 0.4)
"""Share of the photo's sides that an erased patch takes."""
COARSE_QUALITY = (40, 90)
"""JPEG quality of photos compressed again."""

POLICIES: Mapping[str, tuple[str, Mapping[str, float]]] = {
    "none": ("No change.", {}),
    "light": (
        "A slightly closer crop, a little light and colour: safe everywhere.",
        {"crop": 0.3, "light": 0.2, "colour": 0.2},
    ),
    "campus": (
        "Another stance, hour and season: crop, tilt, perspective, light, colour, gamma and blur.",
        {
            "crop": 0.5,
            "rotate": 8,
            "shear": 4,
            "perspective": 0.07,
            "light": 0.35,
            "colour": 0.35,
            "balance": 0.1,
            "gamma": 0.35,
            "blur": 0.1,
        },
    ),
    "world": (
        "Closer crops, strong light and colour, sometimes grey or coarse: for many photos of many cameras.",
        {
            "crop": 0.65,
            "light": 0.4,
            "colour": 0.4,
            "balance": 0.15,
            "gamma": 0.5,
            "grey": 0.05,
            "coarse": 0.2,
            "blur": 0.1,
        },
    ),
    "strong": (
        "All of it at once, and a patch erased: for few photos and many epochs.",
        {
            "crop": 0.75,
            "rotate": 15,
            "shear": 8,
            "perspective": 0.1,
            "light": 0.5,
            "colour": 0.5,
            "balance": 0.2,
            "gamma": 0.5,
            "grey": 0.1,
            "coarse": 0.2,
            "blur": 0.15,
            "erase": 0.25,
        },
    ),
}


@dataclass(frozen=True)
class Augmentation:
    """A strength for each of KINDS, 0 where it never happens; hashable."""

    crop: float = 0.0
    rotate: float = 0.0
    shear: float = 0.0
    perspective: float = 0.0
    light: float = 0.0
    colour: float = 0.0
    balance: float = 0.0
    gamma: float = 0.0
    grey: float = 0.0
    coarse: float = 0.0
    blur: float = 0.0
    erase: float = 0.0
    mirror: bool = False
    """Half of the photos are mirrored: a mirrored street is another, so never by default."""
    fused: bool = False
    """By the fused path instead of albumentations."""

    @classmethod
    def of(
        cls,
        policy: str,
        strength: float = 1.0,
        *,
        mirror: bool = False,
        fused: bool = False,
        own: Mapping[str, float | None] | None = None,
    ) -> "Augmentation":
        """A policy with all its strengths times `strength`; `own` strengths by kind are taken as they are.

        Raises GeotuneError for an unknown policy.
        """
        if policy not in POLICIES:
            raise GeotuneError(f"augmentation {policy!r} is unknown", f"take one of {', '.join(POLICIES)}")
        taken = {kind: min(KINDS[kind].most, value * strength) for kind, value in POLICIES[policy][1].items()}
        taken |= {kind: value for kind, value in (own or {}).items() if value is not None}
        return cls(**taken, mirror=mirror, fused=fused)

    @property
    def is_plain(self) -> bool:
        """Nothing ever changes."""
        return not any(getattr(self, field.name) for field in fields(self) if field.name != "fused")

    @property
    def recipe(self) -> dict[str, float]:
        """All that its results depend on, for the key of what is kept of them; {} where nothing changes."""
        return {} if self.is_plain else {name: value for name, value in asdict(self).items() if value}


PLAIN = Augmentation()
