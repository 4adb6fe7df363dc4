"""A WebDataset: tar archives in which name.jpg and name.json stand next to each other. Nothing is unpacked to disk."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from geotune.config import Settings
from geotune.data.exif import Exif
from geotune.data.sources.camera import exif_in, with_exif
from geotune.data.sources.columns import columns_in, flat, photo_of
from geotune.data.sources.files import MAX_RECORD_BYTES, files_below, split_of
from geotune.data.sources.found import LeftOut, Names, Photo, not_followed
from geotune.data.sources.tar import SUFFIXES, Member, TarError, members_of
from geotune.data.sources.why import BAD_JSON, LISTED_TWICE, NO_JSON, NO_PICTURE, RECORD_TOO_LARGE, SECOND_PHOTO
from geotune.errors import GeotuneError

IMAGES = (".jpg", ".jpeg", ".png", ".webp")
MAX_JSON_BYTES = 2**20
WAITING, WAITING_BYTES = 100_000, 64 * 2**20
"""What may wait for its other half, where a photo and its .json do not stand next to each other."""


class WebDatasetSource(Settings):
    """Tar archives with a .json of coordinates beside each photo, read in one go from start to end."""

    name: Literal["webdataset"] = "webdataset"
    path: Path
    """The archive, or a folder of them."""

    def scan(self) -> Iterator[Photo | LeftOut]:
        """Every photo of every archive, as its two halves are found. Raises GeotuneError where there is no archive."""
        linked: list[Path] = []
        archives = list(files_below(self.path, SUFFIXES, linked))
        if not archives:
            raise GeotuneError(f"{self.path}: no {SUFFIXES[0]} archive", "give a tar archive, or a folder of them")
        for path in archives:
            root = self.path if path != self.path else path.parent
            name = path.relative_to(root).as_posix()
            prefix = "" if len(archives) == 1 else name[: name.lower().rindex(".t")] + "/"  # .tar, .tgz, .tar.gz
            yield from _Archive(path, name, prefix, split_of(path, root)).scan()
        yield from not_followed(linked, self.path)


@dataclass
class _Half:
    """What has come of a photo so far; `held` bytes of memory wait with it."""

    image: str = ""
    load: Callable[[], bytes] | None = None
    exif: Exif | None = None
    said: dict[str, Any] | None = None
    held: int = 0


@dataclass
class _Archive:
    path: Path
    name: str
    prefix: str
    split: str
    waiting: dict[str, _Half] = field(default_factory=dict)
    held: int = 0
    seen: Names = field(default_factory=Names)

    def scan(self) -> Iterator[Photo | LeftOut]:
        end = None
        try:
            for member in members_of(self.path):
                yield from self._take(member)
        except TarError as fault:
            end = LeftOut(self.name, fault.reason, fault.detail)
        yield from self._left_over()
        if end:
            yield end

    def _take(self, member: Member) -> Iterator[Photo | LeftOut]:
        path = PurePosixPath(member.name)
        stem, suffix = str(path.with_suffix("")), path.suffix.lower()
        if path.name.startswith(".") or suffix not in (*IMAGES, ".json"):
            return  # what a Mac adds, and parts for other tasks
        name = self.prefix + member.name
        limit = MAX_JSON_BYTES if suffix == ".json" else MAX_RECORD_BYTES
        if member.size > limit:
            yield LeftOut(name, BAD_JSON if suffix == ".json" else RECORD_TOO_LARGE, f"{member.size:,} bytes")
            return
        if self.seen.again(member.name):
            yield LeftOut(name, LISTED_TWICE)
            return
        half = self.waiting.pop(stem, _Half())
        self.held -= half.held
        if suffix == ".json":
            half.said = _said(member.read())
            half.held += member.size
        elif half.load is None:
            kept = member.keep()
            half.image, half.load, half.exif = member.name, kept.load, exif_in(kept.head)
            half.held += kept.held
        else:
            yield LeftOut(name, SECOND_PHOTO)
        if half.load and half.said is not None:
            yield self._photo(half, half.load, half.said)
        else:
            self.waiting[stem] = half
            self.held += half.held
        while len(self.waiting) > WAITING or self.held > WAITING_BYTES:
            oldest = next(iter(self.waiting))
            yield self._alone(oldest, self.waiting.pop(oldest))

    def _photo(self, half: _Half, load: Callable[[], bytes], said: dict[str, Any]) -> Photo | LeftOut:
        name = self.prefix + half.image
        if not said:
            return LeftOut(name, BAD_JSON)
        return with_exif(photo_of(name, said, columns_in(tuple(said)), load, split=self.split), half.exif)

    def _left_over(self) -> Iterator[Photo | LeftOut]:
        """What found no other half by its whole name: `x.rgb.jpg` belongs to `x.json` where nothing else does."""
        alone, self.waiting = self.waiting, {}
        pictures: dict[str, list[str]] = {}
        for stem, half in alone.items():
            if half.load:
                pictures.setdefault(_key(stem), []).append(stem)
        for stem in [stem for stem, half in alone.items() if half.said is not None and _key(stem) == stem]:
            if len(pictures.get(stem, [])) == 1:
                picture, said = alone.pop(pictures[stem][0]), alone.pop(stem).said
                if picture.load:
                    yield self._photo(picture, picture.load, said or {})
        yield from (self._alone(stem, half) for stem, half in alone.items())

    def _alone(self, stem: str, half: _Half) -> LeftOut:
        self.held -= half.held
        return (
            LeftOut(self.prefix + half.image, NO_JSON)
            if half.load
            else LeftOut(f"{self.prefix}{stem}.json", NO_PICTURE)
        )


def _key(stem: str) -> str:
    """A WebDataset's own key: the path up to the first dot of the file's name."""
    folder, slash, name = stem.rpartition("/")
    return folder + slash + name.partition(".")[0]


def _said(data: bytes) -> dict[str, Any]:
    """The numbers and texts of a .json, nested ones a level up; none where it is no JSON object."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    values = flat(found) if isinstance(found, dict) else {}
    return {key: value for key, value in values.items() if isinstance(value, str | int | float)}
