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
