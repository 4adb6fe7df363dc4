"""A dataset: a folder with `dataset.json` and shards, opened for reading."""

import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field, ValidationError

from geotune.data.diagnose import no_dataset
from geotune.data.known import Known
from geotune.data.remote.copies import Copy, OnProgress
from geotune.data.remote.remote import dataset_at
from geotune.data.shards.index import fault_of, index_path
from geotune.data.shards.links import Link
from geotune.data.shards.reader import ShardFile
from geotune.data.shards.records import Record
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
    links: dict[str, Link] = {}
    """Those of `shards` that lie elsewhere; only their indices are in the dataset."""


class DatasetFile(BaseModel):
    """The content of `dataset.json`."""

    format: int
    name: str
    extent: Extent
    splits: dict[str, SplitFile]
    split: dict[str, Any]
    fingerprint: str
    left_out: dict[str, int] = {}
    settings: dict[str, Any] = {}
    """Those of the import, for photos that are added later."""
    known: Known = Field(default_factory=Known)
    """Cameras and named places, for the same."""


@dataclass
class Split:
    """One split, or a share of it: arrays of one length (degrees, place numbers), and the photos behind them.

    `rows` are the photos' numbers in the full split of `full` photos; `fingerprint` is always that of the full split,
    so that its content is named by (fingerprint, rows).
    """

    name: str
    ids: npt.NDArray[np.str_]
    lat: npt.NDArray[np.float64]
    lon: npt.NDArray[np.float64]
    place: npt.NDArray[np.int64]
    fingerprint: str
    rows: npt.NDArray[np.int64]
    full: int
    _files: list[ShardFile] = field(repr=False)
    _where: npt.NDArray[np.int64] = field(repr=False)  # (N, 3): shard, offset, length

    def __len__(self) -> int:
        return len(self.ids)

    def photo(self, i: int) -> bytes:
        """JPEG bytes of photo `i`; safe to call from several threads. Raises GeotuneError for a damaged shard."""
        return self.record(i).image

    def record(self, i: int) -> Record:
        """All that is stored of photo `i`; as `photo`."""
        shard, offset, length = map(int, self._where[i])
        return self._files[shard].record(offset, length, str(self.ids[i]))

    def linked(self, i: int) -> bool:
        """Whether photo `i` lies in a shard that others made, used where it lies."""
        return self._files[int(self._where[i, 0])].link is not None

    def subset(self, fraction: float) -> "Split":
        """A share of the photos, at least one, chosen by a hash of their ids: 5 % of a split lies inside its 10 %."""
        if not 0 < fraction <= 1:
            raise ValueError(f"fraction={fraction} is not above 0 and at most 1")
        if fraction == 1:
            return self
        hashes = [int.from_bytes(blake2b(str(id).encode(), digest_size=8).digest()) for id in self.ids]
        count = math.ceil(fraction * len(self) - 1e-9)  # 0.07 · 100 is a little above 7
        chosen = np.sort(np.argsort(np.array(hashes, np.uint64), kind="stable")[: max(1, count)])
        return replace(
            self, ids=self.ids[chosen], lat=self.lat[chosen], lon=self.lon[chosen], place=self.place[chosen],
            rows=self.rows[chosen], _where=self._where[chosen],
        )  # fmt: skip


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
    copy: Copy | None = field(default=None, repr=False)
    """What the folder is a copy of, where the dataset is remote."""

    @property
    def source(self) -> str:
        """What opens it on another machine too: its URL, or where it really lies."""
        return self.copy.url if self.copy else str(self.folder.resolve())

    def fetch(self, on_progress: OnProgress | None = None) -> None:
        """Bring all shards of a remote dataset here, many at once; `on_progress(shards done, shards)`."""
        if self.copy:
            splits = self.description.splits.items()
            self.copy.fetch_all([f"{name}/{shard}" for name, split in splits for shard in split.shards], on_progress)

    def split(self, name: str) -> Split:
        """The split "train", "valid" or "test". Raises GeotuneError where it is missing or lacks photos."""
        stored = self.description.splits.get(name)
        if stored is None or not stored.photos:
            have = ", ".join(self.counts) or "none"
            raise GeotuneError(f"{self.folder}: has no {name} split (it has {have})", "import the photos again")
        files = [ShardFile(self.folder / name, shard, stored.links.get(shard), self.copy) for shard in stored.shards]
        indices = [file.index() for file in files]
        found = sum(map(len, indices))
        if found != stored.photos:
            faults = ", ".join(f"{file.path.name} {fault}" for file in files if (fault := fault_of(file.here())))
            raise GeotuneError(
                f"{self.folder}: {name} holds {found:,} of the {counted(stored.photos, 'photo')} that dataset.json "
                f"promises{f' ({faults})' if faults else ''}",
                _again(self.folder, self.copy),
            )
        where = [np.stack([np.full(len(x), k), x.offset, x.length], axis=1) for k, x in enumerate(indices)]
        return Split(
            name=name,
            ids=np.concatenate([x.id for x in indices]),
            lat=np.concatenate([x.latitude for x in indices]),
            lon=np.concatenate([x.longitude for x in indices]),
            place=np.concatenate([x.place for x in indices]),
            fingerprint=stored.fingerprint,
            rows=np.arange(found),
            full=found,
            _files=files,
            _where=np.concatenate(where).astype(np.int64),
        )


# ------------------------------------------------------------------------------------------ opening


def open_dataset(path: str | Path) -> Dataset:
    """The dataset at a folder or URL. Raises GeotuneError, with the command that mends it, for anything that is none.

    Of a remote one the indices are fetched; `Dataset.fetch` brings the shards, unless they may come as they are read.
    """
    folder, copy = dataset_at(path)
    described = folder / "dataset.json"
    if not described.is_file():
        raise no_dataset(folder)
    again = _again(folder, copy)
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
            if Path(shard).name != shard or Path(name).name != name:  # it may come from anywhere
                raise GeotuneError(f"{described}: damaged ({name}/{shard} is no name of a shard)", again)
            if copy and split.links:
                raise GeotuneError(
                    f"{copy.url}: its photos lie elsewhere", "upload a dataset imported without --in-place"
                )
            if not copy and shard not in split.links and not (folder / name / shard).is_file():
                raise GeotuneError(f"{folder}: {name}/{shard} is missing", again)
    if copy:
        names = [f"{name}/{index_path(Path(shard))}" for name, split in stored.splits.items() for shard in split.shards]
        copy.fetch_all(names, needed=False)
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
        copy=copy,
    )


def _again(folder: Path, copy: Copy | None) -> str:
    if copy:
        return f"mend it there, or remove what came of it: rm -r {shlex.quote(str(folder.parent))}"
    return f"import the photos again: geotune data import PHOTOS {shlex.quote(str(folder))}"
