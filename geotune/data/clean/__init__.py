"""What is wrong with photos that decode: copies, positions that cannot be, photos that say the same thing twice."""

from geotune.data.clean.cleaning import Cleaning, clean
from geotune.data.clean.finding import WHY, Finding, why
from geotune.data.clean.hashes import NEAR_BITS, near_duplicates
from geotune.data.clean.series import bursts, sessions
from geotune.data.clean.settings import CleanSettings

__all__ = [
    "NEAR_BITS",
    "WHY",
    "CleanSettings",
    "Cleaning",
    "Finding",
    "bursts",
    "clean",
    "near_duplicates",
    "sessions",
    "why",
]
