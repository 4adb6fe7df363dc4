"""Writing a dataset: in a hidden folder beside its place, which takes its name only when everything is there."""

import hashlib
import json
import os
import shlex
import shutil
import socket
import uuid
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from geotune.data.dataset import FORMAT, DatasetFile, Extent, SplitFile
from geotune.data.diagnose import in_the_way
from geotune.data.shards import ShardWriter
from geotune.data.split import SPLITS
from geotune.errors import GeotuneError


class DatasetWriter:
    """Writes one dataset; use as a context manager. An exception inside, Ctrl-C too, leaves nothing behind.

    `left_out` counts reasons, to be filled before the end. Raises GeotuneError at once where `out` is anything but
    an empty folder or cannot be made, and at the end where a split got no photo.
    """

    def __init__(
        self, out: Path, *, name: str, extent: Extent, split: Mapping[str, Any], per_shard: int = 4096
    ) -> None:
        self.out = out.expanduser().absolute()
        self.name, self.extent, self.split_note = name, extent, dict(split)
        self.left_out: Counter[str] = Counter()
        self._per_shard = per_shard
        self._places: dict[str, set[int]] = {split_name: set() for split_name in SPLITS}
        self._writers: dict[str, ShardWriter] = {}
        self._made_parents: list[Path] = []
        refuse_existing(out.expanduser())
        self._part = self.out.parent / f"{_prefix(self.out)}{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"

    def __enter__(self) -> "DatasetWriter":
        try:
            self._made_parents = [p for p in (self.out.parent, *self.out.parent.parents) if not p.exists()]
            self.out.parent.mkdir(parents=True, exist_ok=True)
            _sweep(self.out)
            self._part.mkdir()
        except OSError as error:
            self._clean()
            above = next(parent for parent in self.out.parents if parent.exists())
            why = str(error.strerror) if above.is_dir() else f"{above} is a file"
            raise GeotuneError(f"{self.out}: cannot be made ({why})", "name another folder") from None
        self._writers = {name: ShardWriter(self._part / name, self._per_shard) for name in SPLITS}
        return self

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
        self._writers[split].add(id, image, float(lat), float(lon), int(place), extra)
        self._places[split].add(int(place))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        try:
            for writer in self._writers.values():
                writer.__exit__(kind, error, tb)
            if kind is None:
                self._finish()
        except OSError as fault:
            raise GeotuneError(f"{self.out}: cannot be written ({fault.strerror})", "free some space") from None
        finally:
            self._clean()
        if isinstance(error, OSError):
            raise GeotuneError(f"{self.out}: cannot be written ({error.strerror})", "free some space") from None

    def _finish(self) -> None:
        for name, writer in self._writers.items():
            if not writer.photos:
                why = "".join(f"\n    {count} {reason}" for reason, count in self.left_out.most_common())
                raise GeotuneError(
                    f"no photo came into the {name} split{'; left out were:' + why if why else ''}",
                    "add photos, or divide them otherwise: --split, --radius, --block",
                )
        splits = {
            name: SplitFile(
                photos=writer.photos, places=len(self._places[name]), shards=writer.shards, fingerprint=writer.digest
            )
            for name, writer in self._writers.items()
        }
        whole = hashlib.sha256(json.dumps([splits[name].fingerprint for name in SPLITS]).encode()).hexdigest()
        described = DatasetFile(
            format=FORMAT, name=self.name, extent=self.extent, splits=splits, split=self.split_note, fingerprint=whole,
            left_out=dict(self.left_out.most_common()),
        )  # fmt: skip
        with (self._part / "dataset.json").open("w", encoding="utf-8") as stream:
            stream.write(json.dumps(described.model_dump(), indent=2, ensure_ascii=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        refuse_existing(self.out)  # it may have come meanwhile
        if self.out.is_dir():  # empty: filled, not replaced, for a shell may stand in it
            for made in (*SPLITS, "dataset.json"):  # last what makes it a dataset
                shutil.move(self._part / made, self.out / made)
        else:
            self._part.rename(self.out)

    def _clean(self) -> None:
        shutil.rmtree(self._part, ignore_errors=True)
        for parent in self._made_parents:  # stays where the dataset, or anything else, lies in it
            with suppress(OSError):
                parent.rmdir()


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
    return {path.name for path in folder.iterdir()} <= {"dataset.json", *SPLITS}


def _prefix(out: Path) -> str:
    return f".{out.name}.part-"


def _sweep(out: Path) -> None:
    """Remove what killed writers of the same dataset left on this machine."""
    prefix = f"{_prefix(out)}{socket.gethostname()}-"
    for left in out.parent.glob(f"{_prefix(out)}*"):
        pid = left.name.removeprefix(prefix).partition("-")[0]
        if left.name.startswith(prefix) and pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


def _alive(pid: int) -> bool:
    if os.name == "nt":  # os.kill would end the process there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
