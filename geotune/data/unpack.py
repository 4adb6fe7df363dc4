"""MessagePack from strangers: one value after the other, whatever the bytes say, in bounded memory.

A few bytes can claim a list of four billion, and one byte stands for an empty map of 64: lengths, levels and the number
of values in a record are limited while it is unpacked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import msgpack

MAX_RECORD_BYTES = 64 * 2**20
"""No photo is larger; a length field that says otherwise is damage, not a reason to allocate gigabytes."""
MAX_VALUES = 100_000
"""Values in one record, those inside of others too."""
MAX_LIST = 8192
"""A list is laid out at the length that it claims, and lists nest a thousand levels deep."""
MAX_KEYS = 512
"""Keys can be chosen to collide, which costs the square of their number."""

FAULTS = (msgpack.UnpackException, ValueError, TypeError, RecursionError, OverflowError, MemoryError)
"""What msgpack raises for bytes that are none; TypeError: a list as key."""


@dataclass(frozen=True, slots=True)
class Value:
    """An unpacked value (text as bytes), where it stood and how many bytes it took."""

    value: Any
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Damage:
    """Why no value could be unpacked at `offset`: a reason to be counted, and what was found there."""

    reason: str
    offset: int
    detail: str = ""


def values_of(stream: BinaryIO, size: int) -> Iterator[Value | Damage]:
    """Every value of a stream of `size` bytes. What is only too large is jumped over; after damage nothing follows."""
    start = 0
    while start < size:  # again after a jump
        stream.seek(start)
        counter = _Counter()
        unpacker = msgpack.Unpacker(stream, max_buffer_size=MAX_RECORD_BYTES, **counter.options())
        while (offset := start + unpacker.tell()) < size:
            counter.values = 0
            try:
                value = unpacker.unpack()
            except _TooManyError:
                start = _behind(stream, offset)
                yield Damage("too many values", offset, f"over {MAX_VALUES:,}")
                if start:
                    break
                return
            except msgpack.OutOfData:
                yield Damage("cut off", offset, f"{size - offset} bytes at the end are no whole record")
                return
            except FAULTS as error:
                yield Damage("damaged from here on", offset, short(error))
                return
            yield Value(value, offset, start + unpacker.tell() - offset)
        else:
            return


def value_of(packed: bytes, offset: int = 0) -> Value | Damage:
    """The one value that `packed` holds, which stood at `offset`."""
    if len(packed) > MAX_RECORD_BYTES:
        return Damage(f"larger than {MAX_RECORD_BYTES // 2**20} MB", offset)
    try:
        return Value(msgpack.unpackb(packed, **_Counter().options()), offset, len(packed))
    except _TooManyError:
        return Damage("too many values", offset, f"over {MAX_VALUES:,}")
    except FAULTS as error:
        return Damage("damaged", offset, short(error))


def short(error: Exception) -> str:
    """What an error says; it may quote the megabytes that it is about."""
    return (str(error) or type(error).__name__)[:100]


def _behind(stream: BinaryIO, offset: int) -> int:
    """Where the value at `offset` ends, found without building it; 0 where it has no end."""
    stream.seek(offset)
    unpacker = msgpack.Unpacker(stream, max_buffer_size=MAX_RECORD_BYTES, raw=True)
    try:
        unpacker.skip()
    except FAULTS:
        return 0
    return offset + int(unpacker.tell())


class _TooManyError(Exception):
    pass


class _Counter:
    """Counts the values of one record while it is unpacked, and ends it where there are too many."""

    def __init__(self) -> None:
        self.values = 0

    def options(self) -> dict[str, Any]:
        return {
            "raw": True,
            "strict_map_key": False,
            "max_array_len": MAX_LIST,
            "max_map_len": MAX_KEYS,
            "list_hook": self._add,
            "object_hook": self._add,
        }

    def _add(self, found: Any) -> Any:
        self.values += 1 + len(found)
        if self.values > MAX_VALUES:
            raise _TooManyError
        return found
