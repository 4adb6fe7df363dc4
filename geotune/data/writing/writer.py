"""Writing a dataset: in a hidden folder beside its place, which takes its name only when everything is there."""

import errno
import hashlib
import json
import os
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from geotune.data.dataset import FORMAT, DatasetFile, Extent, SplitFile
from geotune.data.diagnose import in_the_way
from geotune.data.known import Known
from geotune.data.shards.links import LinkWriter
from geotune.data.shards.writer import ShardWriter
from geotune.data.split import SPLITS
from geotune.data.writing.part import PartFolder
from geotune.errors import GeotuneError

REPORT = ("cleaning.csv", "cleaning.html")
"""What the cleaning report leaves in a dataset's folder."""


class SplitWriter:
    """Writes the shards of one split: photos that are copied, and records that stay where they lie."""

    def __init__(self, folder: Path, dataset: Path, *, per_shard: int = 4096, shards: int = 0, links: int = 0) -> None:
        """`dataset` is the folder that will hold dataset.json; `shards` and `links` are the first numbers of each."""
        self._own = ShardWriter(folder, per_shard, first=shards)
        self._linked = LinkWriter(folder, dataset=dataset, first=links)
        self._places: set[int] = set()

    def add(
        self, id: str, image: bytes, lat: float, lon: float, place: int, extra: Mapping[str, Any] | None = None
    ) -> None:
        """Append a photo: JPEG bytes, degrees, the number of its place, further keys."""
        self._own.add(id, image, float(lat), float(lon), int(place), extra)
        self._places.add(int(place))

    def link(
        self, shard: Path, offset: int, length: int, id: str, lat: float, lon: float, place: int, *, sha: str
    ) -> None:
        """Append a photo whose record stands at `offset` of a shard, where it stays."""
        self._linked.add(shard, int(offset), int(length), id, float(lat), float(lon), int(place), sha=sha)
        self._places.add(int(place))

    @property
    def photos(self) -> int:
        return self._own.photos + self._linked.photos

    @property
    def places(self) -> set[int]:
        return self._places

    def described(self) -> SplitFile:
        """What was written, for dataset.json; known at the end."""
        digests = [writer.digest for writer in (self._own, self._linked) if writer.photos]
        return SplitFile(
            photos=self.photos, places=len(self._places), shards=[*self._own.shards, *self._linked.shards],
            fingerprint=digests[0] if len(digests) == 1 else joined(digests), links=self._linked.links,
        )  # fmt: skip

    def __enter__(self) -> "SplitWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for writer in (self._own, self._linked):
            writer.__exit__(kind, error, tb)


class DatasetWriter:
    """Writes one dataset; use as a context manager. An exception inside, Ctrl-C too, leaves nothing behind.

    `extent`, `split` (how photos were divided, and the question that this asks), `settings` (the import's), `known` and
    `left_out` (counts of reasons) may be filled until the end; what else is put into the folder `part` goes with the
    dataset. Raises GeotuneError at once where `out` is anything but an empty folder or cannot be made, and at the end
    where a split got no photo.
    """

    def __init__(
        self,
        out: Path,
        *,
        name: str,
        extent: Extent | None = None,
        split: Mapping[str, Any] | None = None,
        per_shard: int = 4096,
    ) -> None:
        self.out = out.expanduser().absolute()
        self.name, self.extent, self.split = name, extent, dict(split or {})
        self.settings: dict[str, Any] = {}
        self.known = Known()
        self.left_out: Counter[str] = Counter()
        self._per_shard = per_shard
        self._writers: dict[str, SplitWriter] = {}
        refuse_existing(out.expanduser())
        self._room = PartFolder(self.out)

    @property
    def part(self) -> Path:
        """The hidden folder in which the dataset grows."""
        return self._room.path

    def __enter__(self) -> "DatasetWriter":
        self._room.make()
        self._writers = {name: SplitWriter(self.part / name, self.out, per_shard=self._per_shard) for name in SPLITS}
        return self

    @property
    def splits(self) -> Mapping[str, SplitWriter]:
        """What writes each split."""
        return self._writers

    def add(
        self,
        split: str,
        id: str,
        image: bytes,
        lat: float,
        lon: float,
        place: int,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Append one photo (JPEG bytes, degrees, number of its place) to the split "train", "valid" or "test"."""
        self._writers[split].add(id, image, lat, lon, place, extra)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        try:
            for writer in self._writers.values():
                writer.__exit__(kind, error, tb)
            if kind is None:
                self._finish()
        except OSError as fault:
            raise unwritable(self.out, fault) from None
        finally:
            self._room.remove()
        if isinstance(error, OSError):
            raise unwritable(self.out, error) from None

    def _finish(self) -> None:
        for name, writer in self._writers.items():
            if not writer.photos:
                why = "".join(f"\n    {count} {reason}" for reason, count in self.left_out.most_common())
                raise GeotuneError(
                    f"no photo came into the {name} split{'; left out were:' + why if why else ''}",
                    "add photos, or divide them otherwise: --split, --radius, --block",
                )
        assert self.extent is not None
        splits = {name: writer.described() for name, writer in self._writers.items()}
        described = DatasetFile(
            format=FORMAT, name=self.name, extent=self.extent, splits=splits, split=self.split,
            fingerprint=joined(splits[name].fingerprint for name in SPLITS), left_out=dict(self.left_out.most_common()),
            settings=self.settings, known=self.known,
        )  # fmt: skip
        write_description(described, self.part / "dataset.json")
        refuse_existing(self.out)  # it may have come meanwhile
        self._room.become(self.out, last="dataset.json")


def joined(digests: Iterable[str]) -> str:
    """One name of several contents."""
    return hashlib.sha256(json.dumps(list(digests)).encode()).hexdigest()


def write_description(described: DatasetFile, path: Path) -> None:
    """Write dataset.json; only a rename stands between this and its place."""
    with path.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(described.model_dump(), indent=2, ensure_ascii=False) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def unwritable(path: Path, error: OSError) -> GeotuneError:
    """The error for a folder that cannot be written: a full disk asks for space, another fault for another folder."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    mend = "free some space" if full else "name another folder, or mend its permissions"
    return GeotuneError(f"{path}: cannot be written ({error.strerror or error})", mend)


def refuse_existing(out: Path, source: Path | None = None) -> None:
    """Raise GeotuneError where anything but an empty folder stands at `out`: nothing is ever overwritten.

    Only what is surely a dataset may be removed, says the message. `source` is what was to be imported.
    """
    if _is_free(out):
        return
    if not _made_by_us(out):
        raise in_the_way(out, source)
    remove = f", or remove it: rm -r {shlex.quote(str(out))}" if source is None or source.exists() else ""
    raise GeotuneError(f"{out}: a dataset that exists already", f"name another folder{remove}")


def _is_free(out: Path) -> bool:
    if not (out.exists() or out.is_symlink()):
        return True
    try:
        return not any(out.iterdir())
    except OSError:  # a file, or a folder that may not be looked into
        return False


def _made_by_us(folder: Path) -> bool:
    """Whether a folder is a dataset, described as such, and holds nothing else."""
    try:
        DatasetFile.model_validate_json((folder / "dataset.json").read_bytes())
    except (OSError, ValueError):
        return False
    return {path.name for path in folder.iterdir()} <= {"dataset.json", *SPLITS, *REPORT}
