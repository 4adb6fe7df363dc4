"""A source of photos becomes a dataset: upright, no larger than needed, and without a trace of their EXIF."""

import io
import shlex
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field

from geotune.config import Settings
from geotune.data.dataset import Extent
from geotune.data.diagnose import TABLE_SUFFIXES
from geotune.data.sources.found import LeftOut, Photo
from geotune.data.sources.kinds import Source, source_of
from geotune.data.sources.photos import NO_POSITION, PhotosSource
from geotune.data.sources.table import TableSource
from geotune.data.split import SplitSettings, divide
from geotune.data.threads import in_threads
from geotune.data.writer import DatasetWriter, refuse_existing
from geotune.errors import GeotuneError

Floats = npt.NDArray[np.float64]
__all__ = ["ImportSettings", "Imported", "import_photos", "prepare", "source_of"]

OnProgress = Callable[[str, int, int | None], None]

SMALLEST_PX = 32
JPEG_QUALITY = 90


class ImportSettings(Settings):
    """How photos become a dataset."""

    source: Source
    """Where the photos are."""
    max_side: int = Field(default=512, ge=SMALLEST_PX, le=8192)
    """Longest side of a stored photo in pixels; larger ones are scaled down."""
    split: SplitSettings = SplitSettings()
    """How they are divided into train, valid and test."""


@dataclass(frozen=True)
class Imported:
    """What came of an import: counts of reasons, and the first photo left out for each."""

    out: Path
    left_out: Counter[str]
    examples: dict[str, str]


def import_photos(
    settings: ImportSettings,
    out: Path,
    *,
    extent_of: Callable[[Floats, Floats], Extent],
    on_progress: OnProgress | None = None,
) -> Imported:
    """Make the dataset `out` of a source; memory stays small however many photos there are.

    `extent_of` is geo.extent's rule; `on_progress(stage, done, of)` is called with `of` None while it is unknown.
    Raises GeotuneError, with nothing left behind, where nothing can be imported or `out` is not free.
    """
    out = out.expanduser()
    tell = on_progress or (lambda stage, done, of: None)
    refuse_existing(out, settings.source.path)
    left_out: Counter[str] = Counter()
    examples: dict[str, str] = {}

    def leave_out(item: LeftOut) -> None:
        left_out[item.reason] += 1
        examples.setdefault(item.reason, item.id)

    photos: list[Photo] = []
    for number, found in enumerate(settings.source.scan(), start=1):
        if isinstance(found, Photo):
            photos.append(found)
        else:
            leave_out(found)
        tell("looking for positions", number, None)
    if not photos:
        raise _nothing(settings.source, left_out, examples)
    lat, lon = np.array([p.lat for p in photos]), np.array([p.lon for p in photos])
    places = np.array([p.place for p in photos])
    splits = np.array([p.split for p in photos])
    try:
        division = divide(
            lat, lon, settings.split, place=places if places.all() else None, given=splits if splits.any() else None
        )
    except GeotuneError as error:
        reasons = _reasons(left_out, examples)
        raise GeotuneError(error.problem + (f"; left out were:{reasons}" if reasons else ""), error.hint) from None
    note = {**settings.split.model_dump(mode="json"), "question": division.question}
    with DatasetWriter(out, name=out.absolute().name, extent=extent_of(lat, lon), split=note) as writer:
        prepared = in_threads(lambda photo: prepare(photo, settings.max_side), photos)
        for i, jpeg in enumerate(prepared):
            photo = photos[i]
            if isinstance(jpeg, LeftOut):
                leave_out(jpeg)
            else:
                writer.add(str(division.split[i]), photo.id, jpeg, photo.lat, photo.lon, int(division.place[i]))
            tell("importing photos", i + 1, len(photos))
        writer.left_out.update(left_out)
    return Imported(out, left_out, examples)


def prepare(photo: Photo, max_side: int) -> bytes | LeftOut:
    """A photo's JPEG as it is stored: RGB, upright, its longest side at most `max_side`, with no metadata at all."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(photo.load())) as opened:
            warnings.simplefilter("ignore")
            opened.draft("RGB", (max_side, max_side))  # a large JPEG is decoded at a fraction of its size
            picture = ImageOps.exif_transpose(opened).convert("RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError, EOFError):
        return LeftOut(photo.id, "cannot be decoded")
    except OSError as error:  # a read error has a number; Pillow's "truncated" has none
        return LeftOut(photo.id, f"cannot be read ({error.strerror})" if error.errno else "cannot be decoded")
    if min(picture.size) < SMALLEST_PX:
        return LeftOut(photo.id, f"smaller than {SMALLEST_PX} px")
    picture.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    picture.info.clear()  # Pillow would carry comments over
    stored = io.BytesIO()
    picture.save(stored, "JPEG", quality=JPEG_QUALITY)
    return stored.getvalue()


def _reasons(left_out: Counter[str], examples: dict[str, str]) -> str:
    return "".join(f"\n    {n} {reason} ({examples[reason]})" for reason, n in left_out.most_common())


def _nothing(source: PhotosSource | TableSource, left_out: Counter[str], examples: dict[str, str]) -> GeotuneError:
    why = _reasons(left_out, examples)
    problem = f"{source.path}: no photo with a position" + (f"; found were:{why}" if why else ", it is empty")
    if isinstance(source, TableSource):
        root = source.images or source.path.parent
        return GeotuneError(problem, f"image names were sought in {root}; name another folder with --images FOLDER")
    tables = sorted(path for path in source.path.iterdir() if path.suffix.lower() in TABLE_SUFFIXES)
    if tables:
        return GeotuneError(problem, f"there is a table in it: geotune data import {shlex.quote(str(tables[0]))} OUT")
    if NO_POSITION in left_out:
        return GeotuneError(
            problem, "messengers remove positions; take the original files, or write a CSV file of them"
        )
    return GeotuneError(problem, "give a folder of JPEG photos with GPS in EXIF, or a CSV file")
