"""Distances on coordinates that keep value and gradient in float32, from a millimetre to the antipodes.

Call them outside autocast: in bfloat16 a degree of longitude at -75 is 43 km wide. Coordinates are those of
`Geography`: (…, 2) for a region's plane, (…, 3) for the unit sphere.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

PLANE_SMOOTHING = 1e-6  # of an RMS radius: 0.3 mm of a town; keeps the gradient finite at distance 0
SPHERE_SMOOTHING = 1e-8  # radians: 6 cm on the Earth
LONGEST_HALF_CHORD = 1 - 1e-7  # asin's slope is infinite at 1, the antipode


def on_surface(point: Tensor) -> Tensor:
    """Points (…, P) as a head gives them -> on the surface: a world's vectors (P = 3) get length 1."""
    return normalize(point, dim=-1, eps=1e-6) if point.shape[-1] == 3 else point


def geodesic(point: Tensor, target: Tensor) -> Tensor:
    """Distance along the surface between points (…, P), broadcast together -> (…), in units of coordinates.

    In a plane sqrt(dx² + dy² + ε²). On the sphere the chord's arc, 2·asin(chord / 2): arccos of the scalar product
    reads 0 below some 50 m, and an unclamped haversine has no gradient at 0.
    """
    squared = (on_surface(point) - target).square().sum(-1)
    if point.shape[-1] == 2:
        return (squared + PLANE_SMOOTHING**2).sqrt()
    chord = (squared + SPHERE_SMOOTHING**2).sqrt()
    return 2 * torch.asin((chord / 2).clamp(max=LONGEST_HALF_CHORD))


def soft_labels(squared_distance: Tensor, width: float) -> Tensor:
    """Squared distances (B, K) of photos to cells -> label probabilities (B, K): a Gaussian of that width, Σ = 1.

    A photo far from every cell keeps the nearest one: the largest exponent is always 0.
    """
    return torch.softmax(squared_distance / (-2 * width * width), dim=-1)


def haversine_labels(distance: Tensor, width: float) -> Tensor:
    """Distances (B, K) -> label probabilities (B, K) that fall with exp(-distance / width), Σ = 1.

    The haversine smoothing of PIGEON (Haas et al. 2024, eq. 2), normalised as a cross-entropy wants it.
    """
    return torch.softmax(distance / -width, dim=-1)


def label_entropy(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy (B,) of logits (B, K) with hard labels (B,) or label probabilities (B, K).

    `smoothing` spreads that share of each label over all cells alike. Only logits and labels are kept for the
    gradient: torch's own keeps a third (B, K), which at 50,000 cells is 200 MB for 1,024 photos.
    """
    if labels.ndim == 1:
        agreement = logits.gather(1, labels[:, None])[:, 0]
    else:
        agreement = torch.einsum("bk,bk->b", logits, labels)
    if smoothing:
        agreement = (1 - smoothing) * agreement + smoothing * logits.mean(-1)
    return logits.logsumexp(-1) - agreement
