"""Random changes of training photos that leave the place recognisable."""

from geotune.data.augment.policy import KINDS, PLAIN, POLICIES, Augmentation, Policy
from geotune.data.augment.reference import augment

__all__ = ["KINDS", "PLAIN", "POLICIES", "Augmentation", "Policy", "augment"]
