"""One shard of a dataset, in its folder or linked: its index, and its records in any order."""

import os
from dataclasses import dataclass
from pathlib import Path

from geotune.data.index import ShardIndex, index_path, load_index, read_index
from geotune.data.links import Link, check_unchanged
from geotune.data.records import BadRecord, Record, unpack_record
from geotune.errors import GeotuneError

AGAIN = "import the photos again"


@dataclass(frozen=True)
class ShardFile:
    """A shard `name` of the folder of a split, or where `link` says from the dataset's folder above it."""

    folder: Path
    name: str
    link: Link | None = None

    @property
    def path(self) -> Path:
        return self.folder.parent / self.link.path if self.link else self.folder / self.name

    def index(self) -> ShardIndex:
        """Its records. Raises GeotuneError where they are not to be had; bad ones are left out with a warning."""
        if not self.link:
            return load_index(self.path)
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

    def record(self, offset: int, length: int, id: str) -> Record:
        """The record `id` at `offset`; safe to call from several threads.

        Raises GeotuneError where the shard is gone, damaged, or another one than it was.
        """
        # Opened each time, for some microseconds: a memory map kills the process where a shard becomes shorter, and
        # open files are counted.
        try:
            with self.path.open("rb", buffering=0) as stream:
                if self.link:
                    check_unchanged(self.path, self.link, os.fstat(stream.fileno()))
                stream.seek(offset)
                packed = stream.read(length)
        except OSError as error:
            raise GeotuneError(f"{self.path}: photo {id} cannot be read ({error.strerror})", AGAIN) from None
        record = unpack_record(packed, offset)
        if isinstance(record, Record) and (id == record.id or (self.link and id.endswith(f"/{record.id}"))):
            return record
        reason = record if isinstance(record, BadRecord) else "another photo stands there"
        raise GeotuneError(f"{self.path}: damaged at photo {id} ({reason})", AGAIN)
