"""Photos clumped on land, as in the field's sets, on all continents and on both sides of the antimeridian."""

import numpy as np

CITIES = np.array([
    (48.85, 2.35), (51.5, -0.12), (45.44, 12.33), (52.52, 13.4), (40.41, -3.7), (50.08, 14.43), (47.37, 8.54),
    (40.75, -73.97), (34.05, -118.2), (19.43, -99.1), (-23.55, -46.63), (35.68, 139.69), (-33.86, 151.1),
    (-41.29, 174.75), (66.0, 179.9), (66.0, -179.9), (1.35, 103.8), (-26.2, 28.05),
])  # fmt: skip


def world(photos=3000, seed=0):
    """(N,) latitudes and longitudes."""
    rng = np.random.default_rng(seed)
    city = rng.choice(len(CITIES), photos, p=np.arange(len(CITIES), 0, -1) / np.arange(len(CITIES) + 1).sum())
    lat, lon = (CITIES[city] + rng.normal(0, 0.6, (photos, 2))).T
    return lat, (lon + 180) % 360 - 180
