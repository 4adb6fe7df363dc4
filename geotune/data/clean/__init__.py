"""What is wrong with photos that decode: duplicates, positions that cannot be, photos that say the same thing twice."""

from geotune.data.clean.hashes import NEAR_BITS, near_duplicates
from geotune.data.clean.series import bursts, sessions

__all__ = ["NEAR_BITS", "bursts", "near_duplicates", "sessions"]
