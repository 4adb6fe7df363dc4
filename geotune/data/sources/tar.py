"""The files in a tar archive, one after the other, whatever its bytes say. None is unpacked; names lead nowhere.

tarfile believes a header that claims gigabytes or goes back to where it came from; this reads it within bounds.
"""

import gzip
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from geotune.data.sources.camera import HEAD_BYTES, JPEG
from geotune.data.sources.files import Held, read_part, readable
from geotune.data.sources.why import CUT_OFF, DAMAGED

SUFFIXES = (".tar", ".tar.gz", ".tgz")
MAX_HEADER_BYTES = 2**20
BLOCK = 512


@dataclass(frozen=True, slots=True)
class Member:
    """A plain file in an archive. `read` only before the next member is asked for."""

    name: str
    size: int
    read: Callable[[], bytes]
    """Its bytes; raises TarError."""
    keep: Callable[[], "Kept"]
    """What gives its bytes later; raises TarError."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What gives a file's bytes once; `held` bytes of memory wait with it. `head`: how a JPEG begins, all of others."""

    load: Callable[[], bytes]
    held: int
    head: bytes


class TarError(Exception):
    """What ends an archive before its end: a reason to be counted, and what was found there."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def members_of(path: Path) -> Iterator[Member]:
    """Every plain file of an archive, in order; a compressed one is read as a stream. Raises TarError."""
    zipped = not path.name.lower().endswith(SUFFIXES[0])
    with _faults(), gzip.open(path) if zipped else path.open("rb") as stream:
        yield from _members(path, cast(BinaryIO, stream), zipped)


@contextmanager
def _faults() -> Iterator[None]:
    """Everything that reading damaged bytes raises, as a TarError."""
    try:
        yield
    except TarError:
        raise
    except EOFError as error:
        raise TarError(CUT_OFF, str(error)) from None
    except Exception as error:  # tarfile, gzip and zlib raise whatever they stumble over
        cut = "unexpected end" in str(error)
        raise TarError(CUT_OFF if cut else DAMAGED, str(error)[:200]) from None


def _members(path: Path, stream: BinaryIO, zipped: bool) -> Iterator[Member]:
    end = None if zipped else path.stat().st_size
    bounded = _Bounded(stream)
    with tarfile.TarFile(fileobj=bounded, mode="r", errorlevel=1) as tar:  # type: ignore[arg-type]
        before = -1
        while (found := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # it would keep a million of them
            if tar.offset <= before:
                raise TarError(DAMAGED, "a header that leads backwards")
            before = tar.offset
            start, size = found.offset_data, found.size
            if end is not None and start + size > end:
                raise TarError(CUT_OFF, readable(found.name)[:100])
            if found.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or found.issparse():
                continue
            read = partial(_read, stream, start, size)
            later = partial(_keep_bytes, read) if zipped else partial(_keep_place, path, stream, start, size)
            yield Member(readable(found.name), size, read, later)
    if len(bounded.last) not in (0, BLOCK):
        raise TarError(CUT_OFF, "in the middle of a header")
    if any(bounded.last):
        raise TarError(DAMAGED, "no header of a file")


def _read(stream: BinaryIO, start: int, size: int) -> bytes:
    with _faults():
        stream.seek(start)
        data = stream.read(size)
    if len(data) != size:
        raise TarError(CUT_OFF, "in the middle of a file")
    return data


def _keep_bytes(read: Callable[[], bytes]) -> Kept:
    data = read()
    return Kept(Held(data), len(data), data)


def _keep_place(path: Path, stream: BinaryIO, start: int, size: int) -> Kept:
    head = _read(stream, start, min(size, HEAD_BYTES))
    if head[:2] != JPEG:
        head = _read(stream, start, size)
    return Kept(partial(read_part, path, start, size), 0, head)


class _Bounded:
    """The stream as tarfile sees it: headers of at most 1 MiB. `last` is the block that it read last."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.last = b""

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_HEADER_BYTES:
            raise TarError(DAMAGED, f"a header of {size:,} bytes")
        self.last = self._stream.read(size)
        return self.last

    def seek(self, offset: int) -> int:
        return self._stream.seek(offset)

    def tell(self) -> int:
        return self._stream.tell()

    def close(self) -> None:
        """Whoever opened the stream closes it."""
