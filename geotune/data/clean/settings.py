"""What counts as a fault of a photo that decodes."""

from pydantic import Field

from geotune.config import Duration, Length, Settings


class CleanSettings(Settings):
    """Which photos are left out, and from where on something is worth a note."""

    keep_far: bool = False
    """Keep photos of a region that are further than `far` from all of its others."""
    far: Length = Field(default="100km", ge=1000)  # type: ignore[assignment]
    """A photo further than this from all others does not belong to the region."""
    keep_duplicates: bool = False
    """Keep every copy of a file, not only the first."""
    min_side: int = Field(default=32, ge=1)
    """Shortest side of a photo in pixels, as found."""
    apart: Length = Field(default="100m", ge=0)  # type: ignore[assignment]
    """Copies of one picture further apart than this contradict each other."""
    stale: Duration = Field(default="5m", gt=0)  # type: ignore[assignment]
    """A position that stays exactly the same for this long, while a camera takes different pictures, is noted."""
    speed_kmh: float = Field(default=1000, gt=0)
    """A camera that travels faster than this is noted, in km/h."""
    shared: int = Field(default=10, ge=2)
    """So many photos at exactly the same position are noted."""
    gps_error: Length = Field(default="100m", gt=0)  # type: ignore[assignment]
    """Positions that the camera itself calls less accurate than this are noted."""
