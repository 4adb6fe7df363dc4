"""Random changes of training photos that leave the place recognisable.

What happens to a photo depends on its own seed only: neither on the batch that it stands in nor on the thread.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from geotune.data.augment.policy import KINDS, PLAIN, POLICIES, Augmentation, Policy

__all__ = ["KINDS", "PLAIN", "POLICIES", "Augmentation", "Policy", "augment"]

Bytes = npt.NDArray[np.uint8]


def augment(images: Bytes, augmentation: Augmentation, seeds: npt.NDArray[np.int64], out: Bytes | None = None) -> Bytes:
    """`images` (B, H, W, 3), each changed by its own seed (B,); the given ones where nothing ever changes.

    `out` of the same shape, which must not be `images`, takes the result; else a new array does.
    """
    if augmentation.is_plain:
        return images
    out = np.empty_like(images) if out is None else out
    _one_thread_a_photo()
    if augmentation.fused:
        from geotune.data.augment.fused import paint
    else:
        from geotune.data.augment.reference import paint
    paint(images, augmentation, seeds, out)
    return out


@cache
def _one_thread_a_photo() -> None:
    """OpenCV would divide each small photo among all CPUs, which doubles its cost: the threads are the batches'."""
    import cv2

    cv2.setNumThreads(1)
