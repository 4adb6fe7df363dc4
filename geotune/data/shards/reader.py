"""One shard of a dataset, in its folder or linked: its index, and its records in any order."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from geotune.data.remote.copies import Copy
from geotune.data.shards.index import ShardIndex, index_path, load_index, read_index
from geotune.data.shards.links import Link, check_unchanged
from geotune.data.shards.records import BadRecord, Record, unpack_record
from geotune.errors import GeotuneError

AGAIN = "import the photos again"


@dataclass(frozen=True)
class ShardFile:
    """A shard `name` of the folder of a split, or where `link` says from the dataset's folder above it.

    Of a `copy` it comes when it is first read.
    """

    folder: Path
    name: str
    link: Link | None = None
    copy: Copy | None = None

    @property
    def path(self) -> Path:
        return self.folder.parent / self.link.path if self.link else self.folder / self.name

    def here(self) -> Path:
        """Its path, with the shard at it; of a copy it is fetched now. Raises GeotuneError."""
        if self.copy and not self.path.is_file():
            self.copy.fetch_all([f"{self.folder.name}/{self.name}"])
        return self.path

    def index(self) -> ShardIndex:
        """Its records. Raises GeotuneError where they are not to be had; bad ones are left out with a warning."""
        if not self.link:
            return self._of_copy() or load_index(self.here())
        check_unchanged(self.path, self.link)
        index = index_path(self.folder / self.name)  # says which of its records are in this split: made only once
        try:
            found = read_index(index, self.link.size)
        except (FileNotFoundError, ValueError) as error:
            reason = "no such file" if isinstance(error, FileNotFoundError) else str(error)
            raise GeotuneError(f"{index}: cannot be read ({reason})", AGAIN) from None
        if found is None:
            raise GeotuneError(f"{index}: belongs to another shard than {self.path}", AGAIN)
        return found[0]

    def _of_copy(self) -> ShardIndex | None:
        """The index that was fetched, as long as the shard was not."""
        if self.copy and not self.path.is_file():
            with contextlib.suppress(FileNotFoundError, ValueError):
                found = read_index(index_path(self.path), None)
                return found[0] if found else None
        return None

    def record(self, offset: int, length: int, id: str) -> Record:
        """The record `id` at `offset`; safe to call from several threads.

        Raises GeotuneError where the shard is gone, damaged, or another one than it was.
        """
        # Opened each time, for some microseconds: a memory map kills the process where a shard becomes shorter, and
        # open files are counted.
        path = self.here()
        try:
            with path.open("rb", buffering=0) as stream:
                if self.link:
                    check_unchanged(self.path, self.link, os.fstat(stream.fileno()))
                stream.seek(offset)
                packed = stream.read(length)
        except OSError as error:
            raise GeotuneError(f"{self.path}: photo {id} cannot be read ({error.strerror})", AGAIN) from None
        record = unpack_record(packed, offset)
        # a linked shard is unchanged, and its own ids need not be unique in the dataset
        if isinstance(record, Record) and (self.link or id == record.id):
            return record
        reason = record if isinstance(record, BadRecord) else "another photo stands there"
        raise GeotuneError(f"{self.path}: damaged at photo {id} ({reason})", AGAIN)
