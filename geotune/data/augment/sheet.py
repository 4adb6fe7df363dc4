"""A contact sheet: a photo as it is and as each policy changes it, one row a policy."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from geotune.data.augment import Augmentation, augment

Bytes = npt.NDArray[np.uint8]

GAP = 4
"""Pixels between photos."""
LABEL = 18
"""Height of a row's name in pixels."""


def contact_sheet(photo: Bytes, rows: Sequence[tuple[str, Augmentation]], views: int, seed: int = 0) -> Bytes:
    """`photo` (S, S, 3), then `views` changed ones, for each named augmentation -> one picture (H, W, 3).

    View i has the same seed in every row.
    """
    import cv2

    side = len(photo)
    height = len(rows) * (LABEL + side + GAP) + GAP
    sheet = np.full((height, (views + 1) * (side + GAP) + GAP, 3), 255, np.uint8)
    seeds = np.random.default_rng(seed).integers(0, 2**62, views)
    for number, (name, augmentation) in enumerate(rows):
        changed = augment(np.repeat(photo[None], views, 0), augmentation, seeds)
        top = GAP + number * (LABEL + side + GAP)
        cv2.putText(sheet, name, (GAP, top + LABEL - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
        for column, one in enumerate([photo, *changed]):
            left = GAP + column * (side + GAP)
            sheet[top + LABEL : top + LABEL + side, left : left + side] = one
    return sheet
