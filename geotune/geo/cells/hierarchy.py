"""Coarser levels of cells that were made by cutting one after the other: the cells as they stood at earlier cuts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

STEP = 8
"""Each level has so many times as many cells as the one above it."""
LEVELS = 2
"""Levels above the cells themselves: coarse and middle, as in Müller-Budack et al. (ECCV 2018)."""


def levels_of(cut_in: Sequence[Sequence[int]], counts: Sequence[int]) -> NDArray[np.int64]:
    """(L, K) groups of K cells, coarse to fine, L at most LEVELS, no two alike.

    `cut_in[k]` are the numbers of the cuts that cell k came out of, ascending; cuts are numbered in the order in which
    they were made. `counts[s]` is how many cells there were after the first s cuts.
    """
    rows: list[NDArray[np.int64]] = []
    steps: list[int] = []
    for power in range(LEVELS, 0, -1):
        step = int(np.searchsorted(counts, max(2, counts[-1] // STEP**power)))
        if step < len(counts) - 1 and counts[step] > 1 and step not in steps:
            steps.append(step)
            # Cells are of one group until a cut after that step parted them.
            group = [next((cut for cut in cuts if cut >= step), -1 - cell) for cell, cuts in enumerate(cut_in)]
            rows.append(_numbered(group))
    return np.array(rows, np.int64).reshape(-1, len(cut_in))


def _numbered(group: Sequence[int]) -> NDArray[np.int64]:
    """Numbers from 0 in the order of the cells."""
    number = {name: index for index, name in enumerate(dict.fromkeys(group))}
    return np.array([number[name] for name in group])
