"""Which photos train, which choose, which judge: whole places or whole blocks, and photos of known spots only if asked.

Two photos of one place in different splits turn a test into a memory exercise (facts: nine times better than it is).
"""

from geotune.data.split.divide import Division, assign, divide
from geotune.data.split.groups import groups_of, ties
from geotune.data.split.join import Joined, join
from geotune.data.split.places import blocks, places
from geotune.data.split.settings import SPLITS, SplitSettings

__all__ = [
    "SPLITS", "Division", "Joined", "SplitSettings", "assign", "blocks", "divide", "groups_of", "join", "places",
    "ties",
]  # fmt: skip
