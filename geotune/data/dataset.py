"""A dataset: a folder with `dataset.json` and shards, opened for reading."""

import json
import mmap
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgpack
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from geotune.data.diagnose import no_dataset
from geotune.data.records import BadRecord, parse_record
from geotune.data.shards import fault_of, load_index
from geotune.data.words import counted
from geotune.errors import GeotuneError

Extent = Literal["region", "world"]
FORMAT = 1


class SplitFile(BaseModel):
    """One split as `dataset.json` describes it."""

    photos: int
    places: int
    shards: list[str]
    fingerprint: str


class DatasetFile(BaseModel):
    """The content of `dataset.json`."""

    format: int
    name: str
    extent: Extent
    splits: dict[str, SplitFile]
    split: dict[str, Any]
    fingerprint: str
    left_out: dict[str, int] = {}


@dataclass
class Split:
    """One split: arrays of one length (degrees, place numbers), and the photos behind them."""

    name: str
    ids: npt.NDArray[np.str_]
    lat: npt.NDArray[np.float64]
    lon: npt.NDArray[np.float64]
    place: npt.NDArray[np.int64]
    fingerprint: str
    _shards: list[Path] = field(repr=False)
    _where: npt.NDArray[np.int64] = field(repr=False)  # (N, 3): shard, offset, length
    _maps: dict[int, mmap.mmap] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    def photo(self, i: int) -> bytes:
        """JPEG bytes of photo `i`; safe to call from several threads. Raises GeotuneError for a damaged shard."""
        shard, offset, length = self._where[i]
        if shard not in self._maps:
            with self._shards[shard].open("rb") as stream:
                self._maps[shard] = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            packed = self._maps[shard][offset : offset + length]
            record = parse_record(msgpack.unpackb(packed, raw=True, strict_map_key=False), offset, length)
        except (msgpack.UnpackException, ValueError, TypeError) as error:
            record = BadRecord(str(error), offset)
        if isinstance(record, BadRecord) or record.id != self.ids[i]:
            reason = record.reason if isinstance(record, BadRecord) else "another photo stands there"
            raise GeotuneError(
                f"{self._shards[shard]}: damaged at photo {self.ids[i]} ({reason})", "import the photos again"
            )
        return record.image


@dataclass(frozen=True)
class Dataset:
    """An opened dataset. `counts` is photos a split; `split_question` says what an error on held-out photos means."""

    folder: Path
    name: str
    extent: Extent
    fingerprint: str
    split_question: str
    counts: Mapping[str, int]
    places: Mapping[str, int]
    left_out: Mapping[str, int]
    description: DatasetFile = field(repr=False)

    def split(self, name: str) -> Split:
        """The split "train", "valid" or "test". Raises GeotuneError where it is missing or lacks photos."""
        stored = self.description.splits.get(name)
        if stored is None or not stored.photos:
            have = ", ".join(self.counts) or "none"
            raise GeotuneError(f"{self.folder}: has no {name} split (it has {have})", "import the photos again")
        shards = [self.folder / name / shard for shard in stored.shards]
        indices = [load_index(shard) for shard in shards]
        found = sum(len(index.id) for index in indices)
        if found != stored.photos:
            faults = ", ".join(f"{shard.name} {fault}" for shard in shards if (fault := fault_of(shard)))
            raise GeotuneError(
                f"{self.folder}: {name} holds {found:,} of the {counted(stored.photos, 'photo')} that dataset.json "
                f"promises{f' ({faults})' if faults else ''}",
                _again(self.folder),
            )
        where = [np.stack([np.full(len(x.id), k), x.offset, x.length], axis=1) for k, x in enumerate(indices)]
        return Split(
            name=name,
            ids=np.concatenate([x.id for x in indices]),
            lat=np.concatenate([x.latitude for x in indices]),
            lon=np.concatenate([x.longitude for x in indices]),
            place=np.concatenate([x.place for x in indices]),
            fingerprint=stored.fingerprint,
            _shards=shards,
            _where=np.concatenate(where).astype(np.int64),
        )


# ------------------------------------------------------------------------------------------ opening


def open_dataset(path: str | Path) -> Dataset:
    """The dataset at a folder. Raises GeotuneError, with the command that mends it, for anything that is none."""
    folder = Path(path).expanduser()
    described = folder / "dataset.json"
    if not described.is_file():
        raise no_dataset(folder)
    again = _again(folder)
    try:
        loaded = json.loads(described.read_text(encoding="utf-8"))
        if isinstance(loaded, dict) and isinstance(loaded.get("format"), int) and loaded["format"] > FORMAT:
            raise GeotuneError(
                f"{described}: written by a newer geotune (format {loaded['format']}, this one reads {FORMAT})",
                "pip install --upgrade geotune",
            )
        stored = DatasetFile.model_validate(loaded)
    except (OSError, ValueError) as error:  # ValueError: JSON, UTF-8 and pydantic
        if isinstance(error, ValidationError):
            fault = error.errors(include_url=False)[0]
            reason = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}".lstrip(": ")
        else:
            reason = str(error)
        raise GeotuneError(f"{described}: damaged ({reason})", again) from None
    if not stored.splits.get("train") or not stored.splits["train"].photos:
        raise GeotuneError(f"{folder}: the dataset has no training photos", again)
    for name, split in stored.splits.items():
        for shard in split.shards:
            if not (folder / name / shard).is_file():
                raise GeotuneError(f"{folder}: {name}/{shard} is missing", again)
    return Dataset(
        folder=folder.absolute(),
        name=stored.name,
        extent=stored.extent,
        fingerprint=stored.fingerprint,
        split_question=str(stored.split.get("question", "")),
        counts={name: split.photos for name, split in stored.splits.items()},
        places={name: split.places for name, split in stored.splits.items()},
        left_out=stored.left_out,
        description=stored,
    )


def _again(folder: Path) -> str:
    return f"import the photos again: geotune data import PHOTOS {shlex.quote(str(folder))}"
