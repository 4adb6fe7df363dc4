"""What happens to each photo of a batch, as numbers, drawn for all at once with albumentations' distributions."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geotune.data.augment.policy import COARSE_QUALITY, ERASED, KINDS, RATIO, Augmentation

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

TRIES = 10
"""Crops drawn for a photo until one fits into it; albumentations gives up as late."""
BLUR_SIGMA = (0.5, 3.0)
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
FARTHEST = 0.32
"""Share of the side by which a corner moves at the most."""

# Which of a photo's random numbers a kind takes: its own, so that one strength does not change what others draw.
CROP, MIRROR, AFFINE, PERSPECTIVE, LIGHT = slice(0, 22), slice(22, 23), slice(23, 27), slice(27, 37), slice(37, 41)
BALANCE, GREY, GAMMA = slice(41, 45), slice(45, 46), slice(46, 48)
ERASE, BLUR, COARSE, NUMBERS = slice(48, 56), slice(56, 59), slice(59, 61), 61


@dataclass
class Drawn:
    """One row a photo; what never happens is None. Matrices map as OpenCV's do, pixels centred on whole numbers."""

    crop: Ints | None = None
    """(B, 4): left, top, right, bottom in the photo, the last two exclusive."""
    mirror: Bools | None = None
    affine: Floats | None = None
    """(B, 3, 3): forward, of the crop at its final size; the identity where nothing moves."""
    perspective: Floats | None = None
    """(B, 3, 3): forward, after `affine`."""
    light: Floats | None = None
    """(B, 3): factors of brightness, contrast and saturation."""
    gains: Floats | None = None
    """(B, 3): factors of red, green and blue."""
    grey: Bools | None = None
    gamma: Floats | None = None
    erase: Ints | None = None
    """(B, 7): left, top, right, bottom of a patch, empty where 0, and its colour."""
    blur: Floats | None = None
    """(B, 2): size and standard deviation of a Gaussian; 0 where there is none."""
    quality: Ints | None = None
    """(B,): of the JPEG that it is compressed to; 0 where it is not."""


def draw(a: Augmentation, seeds: Ints, height: int, width: int) -> Drawn:
    """Draw for photos (height, width), each from its own seed (B,)."""
    u = uniform(seeds, NUMBERS)
    share = {name: kind.share for name, kind in KINDS.items()}
    drawn = Drawn()
    if a.crop:
        drawn.crop = _crop(a.crop, u[CROP], height, width)
    if a.mirror:
        drawn.mirror = u[MIRROR][0] < 0.5
    if a.rotate or a.shear:
        happens, *rest = u[AFFINE]
        drawn.affine = np.where((happens < share["rotate"])[:, None, None], _affine(a, rest, height, width), np.eye(3))
    if a.perspective:
        moved = u[PERSPECTIVE][0] < share["perspective"]
        drawn.perspective = np.tile(np.eye(3), (len(seeds), 1, 1))
        if moved.any():
            drawn.perspective[moved] = _perspective(a.perspective, u[PERSPECTIVE][1:, moved], height, width)
    if a.light or a.colour:
        happens, *rest = u[LIGHT]
        strengths = np.array([a.light, a.light, a.colour])
        drawn.light = 1 + (happens < share["light"])[:, None] * strengths * (2 * np.stack(rest, 1) - 1)
    if a.balance:
        happens, *rest = u[BALANCE]
        drawn.gains = 1 + (happens < share["balance"])[:, None] * a.balance * (2 * np.stack(rest, 1) - 1)
    if a.grey:
        drawn.grey = u[GREY][0] < a.grey
    if a.gamma:
        happens, value = u[GAMMA]
        drawn.gamma = 1 + (happens < share["gamma"]) * a.gamma * (2 * value - 1)
    if a.erase:
        side = np.array([width, height])
        happens, patch, corner, colour = u[ERASE][0], u[ERASE][1:3].T, u[ERASE][3:5].T, u[ERASE][5:8].T
        patch = (side * (ERASED[0] + (ERASED[1] - ERASED[0]) * patch)).astype(np.int64)
        corner = (corner * (side - patch + 1)).astype(np.int64)
        drawn.erase = np.concatenate([corner, corner + patch, (colour * 256).astype(np.int64)], 1)
        drawn.erase *= (happens < a.erase)[:, None]
    if a.blur:
        happens, size, sigma = u[BLUR]
        sizes = np.where(size < 1 / 3, 3, 5)  # albumentations draws 3, 4 or 5 and makes the 4 a 5
        sigmas = BLUR_SIGMA[0] + (BLUR_SIGMA[1] - BLUR_SIGMA[0]) * sigma
        drawn.blur = np.stack([sizes, sigmas], 1) * (happens < a.blur)[:, None]
    if a.coarse:
        happens, value = u[COARSE]
        low, high = COARSE_QUALITY
        drawn.quality = (low + value * (high - low + 1)).astype(np.int64) * (happens < a.coarse)
    return drawn


def uniform(seeds: Ints, count: int) -> Floats:
    """`count` numbers in [0, 1) for each seed (B,), as (count, B): each seed's own SplitMix64 (Steele et al. 2014)."""
    steps = np.arange(1, count + 1, dtype=np.uint64)[:, None]
    with np.errstate(over="ignore"):
        z = np.asarray(seeds).astype(np.uint64)[None] + steps * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    found: Floats = ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53
    return found


def _crop(strength: float, u: Floats, height: int, width: int) -> Ints:
    area = height * width * (1 - strength + strength * u[:TRIES])
    low, high = np.log(RATIO)
    ratio = np.exp(low + (high - low) * u[TRIES : 2 * TRIES])
    widths, heights = np.rint(np.sqrt(area * ratio)), np.rint(np.sqrt(area / ratio))
    fits = (widths <= width) & (heights <= height) & (widths > 0) & (heights > 0)
    first, photo = fits.argmax(0), np.arange(u.shape[1])
    found = fits[first, photo]
    w = np.where(found, widths[first, photo], width).astype(np.int64)
    h = np.where(found, heights[first, photo], height).astype(np.int64)
    top = (u[2 * TRIES] * (height - h + 1)).astype(np.int64)
    left = (u[2 * TRIES + 1] * (width - w + 1)).astype(np.int64)
    return np.stack([left, top, left + w, top + h], 1)


def _affine(a: Augmentation, u: list[Floats], height: int, width: int) -> Floats:
    """Turned, then sheared, both about the centre."""
    angle, shear_x, shear_y = (
        np.deg2rad(most * (2 * x - 1)) for most, x in zip((a.rotate, a.shear, a.shear), u, strict=True)
    )
    cos, sin, one = np.cos(angle), np.sin(angle), np.ones(len(angle))
    turn = np.stack([cos, sin, -sin, cos], 1).reshape(-1, 2, 2)
    linear = np.stack([one, np.tan(shear_x), np.tan(shear_y), one], 1).reshape(-1, 2, 2) @ turn
    centre = np.array([width / 2 - 0.5, height / 2 - 0.5])
    matrix = np.tile(np.eye(3), (len(angle), 1, 1))
    matrix[:, :2, :2] = linear
    matrix[:, :2, 2] = centre - linear @ centre
    return matrix


def _perspective(strength: float, u: Floats, height: int, width: int) -> Floats:
    """Corners that moved inwards by normal amounts are pulled back to where the photo's own are."""
    scale = strength / 3 + (strength - strength / 3) * u[0]
    radius, angle = np.sqrt(-2 * np.log1p(-u[1:5])), 2 * np.pi * u[5:9]  # Box and Muller 1958
    inwards = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)]).T * scale[:, None]
    inwards = np.mod(np.abs(inwards), FARTHEST).reshape(-1, 4, 2)
    side = np.array([width, height])
    corners = np.abs(CORNERS - inwards) * side
    # as albumentations: what is longer than the longer of two opposite edges goes over the right and lower border
    edges = np.linalg.norm(corners - np.roll(corners, -1, 1), axis=-1)
    zoom = side / np.floor(np.stack([edges[:, [0, 2]].max(1), edges[:, [1, 3]].max(1)], 1))
    return homography(corners, CORNERS * side * zoom[:, None])


def homography(source: Floats, target: Floats) -> Floats:
    """The projective maps (B, 3, 3) that take four points (B, 4, 2) to four others."""
    (x, y), (tx, ty) = np.moveaxis(source, -1, 0), np.moveaxis(target, -1, 0)
    zero, one = np.zeros_like(x), np.ones_like(x)
    upper = np.stack([x, y, one, zero, zero, zero, -x * tx, -y * tx], -1)
    lower = np.stack([zero, zero, zero, x, y, one, -x * ty, -y * ty], -1)
    solved = np.linalg.solve(np.concatenate([upper, lower], 1), np.concatenate([tx, ty], 1)[..., None])[..., 0]
    return np.concatenate([solved, np.ones((len(solved), 1))], 1).reshape(-1, 3, 3)
