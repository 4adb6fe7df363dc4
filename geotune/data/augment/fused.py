"""The changes without albumentations: one warp, one colour matrix and one table a photo, straight into the batch.

The same changes with the same distributions. albumentations rounds and cuts off after every step, this once at the end:
the pixels are close, not equal.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from geotune.data.augment.drawn import Drawn, Floats, draw
from geotune.data.augment.policy import Augmentation

Bytes = npt.NDArray[np.uint8]

LUMA = np.array([0.299, 0.587, 0.114])
"""Shares of red, green and blue in grey (ITU-R BT.601), as OpenCV has them."""


def paint(images: Bytes, augmentation: Augmentation, seeds: npt.NDArray[np.int64], out: Bytes) -> None:
    """`images` (B, H, W, 3) changed, each by its own seed, into `out` of the same shape."""
    height, width = images.shape[1:3]
    apply(images, draw(augmentation, seeds, height, width), out)


def apply(images: Bytes, drawn: Drawn, out: Bytes) -> None:
    """`images` (B, H, W, 3) changed as drawn, into `out`."""
    crops: Any = [slice(None)] * len(images)
    if drawn.crop is not None:
        crops = [(slice(top, bottom), slice(left, right)) for left, top, right, bottom in drawn.crop.tolist()]
    mirror = [False] * len(images) if drawn.mirror is None else drawn.mirror.tolist()
    warps = _warps(drawn, images.shape[:3])
    colours = _colours(drawn, len(images))
    tables = _tables(drawn, len(images))
    for i, (crop, warp, colour, table) in enumerate(zip(crops, warps, colours, tables, strict=True)):
        _move(images[i][crop], warp, mirror[i], out[i])
        if colour is not None:
            _recolour(out[i], *colour)
        if table is not None:
            _tabulate(out[i], table)
    _spoil(drawn, out)


def _warps(drawn: Drawn, shape: tuple[int, ...]) -> list[Floats | None]:
    """Where in its crop each pixel of a photo comes from: (2, 3), (3, 3), or None where the crop only changes size."""
    photos, height, width = shape
    if drawn.affine is None and drawn.perspective is None:
        return [None] * photos
    forward = np.tile(np.eye(3), (photos, 1, 1))
    for matrix in (drawn.affine, drawn.perspective):
        forward = forward if matrix is None else matrix @ forward
    moves = np.abs(forward - np.eye(3)).max((1, 2)) > 1e-9
    flat = np.abs(forward[:, 2] - [0, 0, 1]).max(1) < 1e-12
    into = np.tile(np.eye(3), (photos, 1, 1))
    if drawn.mirror is not None:
        into[drawn.mirror] = [[-1, 0, width - 1], [0, 1, 0], [0, 0, 1]]
    if drawn.crop is not None:
        left, top, right, bottom = drawn.crop.T
        zoom = np.stack([(right - left) / width, (bottom - top) / height], 1)
        into[:, :2] *= zoom[:, :, None]
        into[:, :2, 2] += zoom / 2 - 0.5  # pixels are centred on whole numbers
    sampling = into @ np.linalg.inv(forward)
    return [
        None if not move else matrix[:2] if affine else matrix
        for matrix, move, affine in zip(sampling, moves.tolist(), flat.tolist(), strict=True)
    ]


def _move(crop: Bytes, warp: Floats | None, mirror: bool, out: Bytes) -> None:
    import cv2

    height, width = out.shape[:2]
    if warp is not None:
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        call = cv2.warpAffine if len(warp) == 2 else cv2.warpPerspective
        call(crop, warp, (width, height), dst=out, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
        return
    cv2.resize(crop, (width, height), dst=out, interpolation=cv2.INTER_LINEAR)
    if mirror:
        out[:] = cv2.flip(out, 1)


def _colours(drawn: Drawn, photos: int) -> list[tuple[Floats, list[float] | None] | None]:
    """A matrix (3, 4) a photo, and what its last column takes of the mean grey; None where no colour changes.

    Brightness, contrast and saturation multiply up: grey, of which contrast needs the mean, is the same before and
    after saturation, and scales with brightness. So their order does not matter.
    """
    if drawn.light is None and drawn.gains is None and drawn.grey is None:
        return [None] * photos
    matrix, offset = np.tile(np.eye(3), (photos, 1, 1)), np.zeros((photos, 3))
    if drawn.light is not None:
        brightness, contrast, saturation = (column[:, None] for column in drawn.light.T)
        matrix = saturation[..., None] * matrix + (1 - saturation[..., None]) * LUMA
        matrix *= (brightness * contrast)[..., None]
        offset += brightness * (1 - contrast)
    if drawn.gains is not None:
        matrix, offset = matrix * drawn.gains[:, :, None], offset * drawn.gains
    if drawn.grey is not None:
        matrix[drawn.grey] = (LUMA @ matrix[drawn.grey])[:, None]
        offset[drawn.grey] = (offset[drawn.grey] @ LUMA)[:, None]
    same = (np.abs(matrix - np.eye(3)).max((1, 2)) < 1e-9).tolist()
    level = (np.abs(offset).max(1) > 1e-9).tolist()
    whole = np.concatenate([matrix, np.zeros((photos, 3, 1))], 2)
    return [
        None if same[i] and not level[i] else (whole[i], offset[i].tolist() if level[i] else None)
        for i in range(photos)
    ]


def _recolour(photo: Bytes, matrix: Floats, offset: list[float] | None) -> None:
    import cv2

    if offset is not None:
        red, green, blue, _ = cv2.mean(photo)
        mean = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
        matrix[:, 3] = [mean * share for share in offset]
    cv2.transform(photo, matrix, dst=photo)


def _tables(drawn: Drawn, photos: int) -> list[Bytes | None]:
    """A gamma table (256,) where gamma is not 1."""
    if drawn.gamma is None:
        return [None] * photos
    changed = np.abs(drawn.gamma - 1) > 1e-9
    powers = iter((np.linspace(0, 1, 256) ** drawn.gamma[changed, None] * 255).astype(np.uint8))
    return [next(powers) if change else None for change in changed.tolist()]


def _tabulate(photo: Bytes, table: Bytes) -> None:
    import cv2

    cv2.LUT(photo, table, dst=photo)


def _spoil(drawn: Drawn, out: Bytes) -> None:
    """What happens to few photos: a patch erased, out of focus, compressed again."""
    import cv2

    if drawn.erase is not None:
        for i in np.flatnonzero(drawn.erase[:, 2]):
            left, top, right, bottom, *colour = drawn.erase[i].tolist()
            out[i, top:bottom, left:right] = colour
    if drawn.blur is not None:
        for i in np.flatnonzero(drawn.blur[:, 0]):
            size, sigma = drawn.blur[i].tolist()
            cv2.GaussianBlur(out[i], (int(size), int(size)), sigma, dst=out[i], borderType=cv2.BORDER_REFLECT_101)
    if drawn.quality is not None:
        for i in np.flatnonzero(drawn.quality):
            _, jpeg = cv2.imencode(".jpg", out[i], (cv2.IMWRITE_JPEG_QUALITY, int(drawn.quality[i])))
            out[i] = np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_UNCHANGED), np.uint8)
