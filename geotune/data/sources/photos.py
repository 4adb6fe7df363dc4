"""A folder of photos whose position stands in their EXIF, as phones and cameras write it, or in Takeout's sidecars."""

import math
from collections.abc import Iterator
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Literal

from geotune.config import Settings
from geotune.data.diagnose import PHOTO_SUFFIXES
from geotune.data.exif import Exif, read_exif
from geotune.data.sources.files import file_fault, files_below, read_file, readable, unreadable
from geotune.data.sources.found import LeftOut, Photo, not_followed, position_fault
from geotune.data.sources.heic import AVIF_SUFFIXES, HEIC_SUFFIXES, format_fault
from geotune.data.sources.takeout import Sidecar, find_sidecar, read_sidecar
from geotune.data.sources.why import NO_GPS, NOT_A_PHOTO, RAW, TOO_MANY_PIXELS, UNDECODABLE, VIDEO
from geotune.data.threads import in_threads
from geotune.errors import GeotuneError

READ_SUFFIXES = PHOTO_SUFFIXES | HEIC_SUFFIXES | AVIF_SUFFIXES | {".jfif", ".jpe", ".mpo"}
RAW_SUFFIXES = {".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw"}
VIDEO_SUFFIXES = {".mp4", ".mov", ".m4v", ".avi", ".mkv", ".3gp", ".webm", ".mts", ".mp"}


class PhotosSource(Settings):
    """A folder of photos with GPS in EXIF or in sidecars of Google Takeout, searched with all folders below it."""

    name: Literal["photos"] = "photos"
    path: Path
    """The folder."""

    def scan(self) -> Iterator[Photo | LeftOut]:
        """Every file below the folder, in the order of names; hidden ones and sidecars in use are passed over."""
        if not self.path.is_dir():
            raise GeotuneError(f"{self.path}: no such folder", "give a folder of photos, or a CSV file")
        linked: list[Path] = []
        yield from in_threads(lambda item: self._look(*item), self._files(linked))
        yield from not_followed(linked, self.path)

    def _files(self, linked: list[Path]) -> Iterator[tuple[Path, str]]:
        """Every file with the name of its sidecar, or ""; files of one folder come together."""
        for folder, files in groupby(files_below(self.path, linked=linked), key=lambda path: path.parent):
            names = [path.name for path in files]
            jsons = frozenset(name for name in names if name.lower().endswith(".json"))
            used = set()
            for name in names:
                if name not in jsons:
                    used.add(sidecar := find_sidecar(folder, name, jsons))
                    yield folder / name, sidecar
            yield from ((folder / name, "") for name in names if name in jsons and name not in used)

    def _look(self, path: Path, sidecar: str) -> Photo | LeftOut:
        name, suffix = readable(path.relative_to(self.path).as_posix()), path.suffix.lower()
        if suffix not in READ_SUFFIXES:
            fault = RAW if suffix in RAW_SUFFIXES else VIDEO if suffix in VIDEO_SUFFIXES else NOT_A_PHOTO
            return LeftOut(name, fault)
        if fault := format_fault(suffix) or file_fault(path):
            return LeftOut(name, fault)
        said = _exif(path)
        if isinstance(said, str):
            return LeftOut(name, said)
        beside = read_sidecar(path.with_name(sidecar)) if sidecar else Sidecar()
        position = said.position if said.position and not position_fault(*said.position) else beside.position
        position = position or said.position
        if position is None:
            return LeftOut(name, NO_GPS)
        if fault := position_fault(*position):
            return LeftOut(name, fault, f"{position[0]:.6f}, {position[1]:.6f}")
        return Photo(
            name, *position, partial(read_file, path),
            time=beside.time if math.isnan(said.time) else said.time, heading=said.heading,
            gps_error_m=said.gps_error_m, camera=said.camera,
            extra={} if math.isnan(said.magnetic_heading) else {"magnetic_heading": said.magnetic_heading},
        )  # fmt: skip


def _exif(path: Path) -> Exif | str:
    """What a photo's EXIF says, or why the file is no photo."""
    from PIL import Image

    try:
        return read_exif(path)
    except OSError as error:  # a read error has a number; Pillow's "no picture" has none
        return unreadable(error) if error.errno else UNDECODABLE
    except Image.DecompressionBombError:
        return TOO_MANY_PIXELS
    except (SyntaxError, ValueError):
        return UNDECODABLE
