"""Reading files of a source within bounds: what is no plain file, or too large for a photo, is refused."""

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from geotune.data.sources.why import FILE_TOO_LARGE, UNREADABLE

MAX_FILE_BYTES = 256 * 2**20
MAX_RECORD_BYTES = 64 * 2**20
"""No photo in an archive, a table or a shard is larger; a length that says otherwise is damage."""

SPLIT_WORDS = {
    "train": "train", "training": "train",
    "valid": "valid", "validation": "valid", "val": "valid", "dev": "valid",
    "test": "test", "testing": "test",
}  # fmt: skip
"""What the splits are called in tables, and folders and files of a split."""


def file_fault(path: Path) -> str:
    """Why a file is not to be opened as a photo, or "": a pipe would wait for ever, a huge one fill the memory."""
    try:
        found = path.stat()
    except OSError as error:
        return unreadable(error)
    if not stat.S_ISREG(found.st_mode):
        return f"{UNREADABLE} (no plain file)"
    return FILE_TOO_LARGE if found.st_size > MAX_FILE_BYTES else ""


def read_file(path: Path) -> bytes:
    """The bytes of a photo file; raises OSError, for one beyond 256 MiB too."""
    with path.open("rb") as stream:
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise OSError(errno.EFBIG, FILE_TOO_LARGE)
    return data


def read_part(path: Path, offset: int, length: int) -> bytes:
    """`length` bytes from `offset` of a file; raises OSError where they are no longer there."""
    with path.open("rb") as stream:
        stream.seek(offset)
        data = stream.read(length)
    if len(data) != length:
        raise OSError(errno.EIO, "the file changed meanwhile")
    return data


def unreadable(error: OSError) -> str:
    """A read error as a reason to be counted."""
    return f"{UNREADABLE} ({error.strerror or 'read error'})"


def files_below(path: Path, suffixes: Iterable[str] = ("",), linked: list[Path] | None = None) -> Iterator[Path]:
    """A file itself, or every file below a folder whose lower-case name ends so; hidden ones are passed over.

    In the order of names, in which shard_2 stands before shard_10. Links to folders are not followed; `linked` gets
    them.
    """
    endings = tuple(suffixes)
    if path.is_file():
        yield path
        return
    for folder, below, names in os.walk(path):
        below[:] = sorted((name for name in below if not name.startswith(".")), key=in_order)
        if linked is not None:
            linked += [link for link in (Path(folder) / name for name in below) if link.is_symlink()]
        for name in sorted(names, key=in_order):
            if not name.startswith(".") and name.lower().endswith(endings):
                yield Path(folder) / name


def in_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key of a name: its numbers count as numbers."""
    parts = re.split(r"(\d+)", name)
    return tuple((1, int(part), part) if part.isdecimal() and part.isascii() else (0, 0, part) for part in parts)


def split_of(path: Path, root: Path) -> str:
    """The split that a file's own name or a folder's below `root` tells: `test-00000-of-00002.parquet` -> "test"."""
    inside = path.relative_to(root).parts if path != root else (path.name,)
    word = re.match(r"[a-z]+", inside[-1].lower())
    if word and word[0] in SPLIT_WORDS:
        return SPLIT_WORDS[word[0]]
    return next((SPLIT_WORDS[part.lower()] for part in reversed(inside[:-1]) if part.lower() in SPLIT_WORDS), "")


def readable(name: str) -> str:
    """A name that can be stored as UTF-8, another for every name: a byte of another encoding becomes \\xe9."""
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a character of UTF-16, as JSON can have it
        return name.encode("utf-8", "backslashreplace").decode("utf-8")


class Held:
    """Bytes that no file can give again, held until they are asked for once."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data: bytes | None = data

    def __call__(self) -> bytes:
        data, self._data = self._data, None
        if data is None:
            raise RuntimeError("these bytes were taken before")
        return data
