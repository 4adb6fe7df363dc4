"""MessagePack from strangers: one value after the other, whatever the bytes say, in bounded memory.

A few bytes can claim a list of four billion, and one byte stands for an empty map of 64: lengths, levels and the number
of values in a record are limited while it is unpacked.
"""

import re
from collections.abc import Callable, Iterator
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

MAX_TRIES = 256
"""Places in one shard where a record is sought after damage: each may claim to be as large as a record can be."""

NO_MAP, TOO_MANY, CUT_OFF = "no map", "too many values", "cut off"
IsRecord = Callable[[Any], bool]

_BEGINNING = re.compile(rb"(?:[\x81-\x8f]|\xde[\x00\x01].)(?:[\xa1-\xbf]|[\xd9\xc4][\x01-\x40])[A-Za-z_]\w+", re.DOTALL)
"""A map whose first key is a word."""

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


def values_of(stream: BinaryIO, size: int, is_record: IsRecord) -> Iterator[Value | Damage]:
    """Every map, and every `None`, of a stream of `size` bytes; whatever else stands there is damage.

    After damage it goes on at the next map that `is_record`, so that one wrong byte costs a record or two.
    """
    start, tries = 0, MAX_TRIES
    while start < size:
        stream.seek(start)
        counter = _Counter()
        unpacker = msgpack.Unpacker(stream, max_buffer_size=MAX_RECORD_BYTES, **counter.options())
        while (offset := start + unpacker.tell()) < size:
            found = _next(unpacker, counter, offset)
            end = start + unpacker.tell()
            if isinstance(found, Value) and (found.value is None or isinstance(found.value, dict)):
                yield found
                continue
            if isinstance(found, Damage) and found.reason == TOO_MANY:
                end = _behind(stream, offset)
            elif isinstance(found, Value):
                found = Damage(NO_MAP, offset, f"found {type(found.value).__name__}")
            if found.reason in (NO_MAP, TOO_MANY) and end and _goes_on(stream, end, size, is_record):
                start = end
            else:
                start, tries = _next_record(stream, offset + 1, is_record, tries)
                found = _gap(found, offset, start, size)
            yield found
            break
        else:
            return


def _next(unpacker: Any, counter: "_Counter", offset: int) -> Value | Damage:
    counter.values, before = 0, unpacker.tell()
    try:
        value = unpacker.unpack()
    except _TooManyError:
        return Damage(TOO_MANY, offset, f"over {MAX_VALUES:,}")
    except msgpack.OutOfData:
        return Damage(CUT_OFF, offset)
    except FAULTS as error:
        return Damage("damaged", offset, short(error))
    return Value(value, offset, unpacker.tell() - before)


def _gap(found: Damage, offset: int, start: int, size: int) -> Damage:
    """What is said of the bytes from `offset` to the next record at `start`."""
    if start < size:
        return Damage("damaged", offset, f"{start - offset:,} bytes jumped over")
    if found.reason == CUT_OFF:
        return Damage(CUT_OFF, offset, f"{size - offset:,} bytes at the end are no whole record")
    return Damage("damaged to the end", offset, found.detail)


def _goes_on(stream: BinaryIO, at: int, size: int, is_record: IsRecord) -> bool:
    """Whether a record stands there, or the end, or lost records before one of these."""
    stream.seek(at)
    while at < size and stream.read(1) == b"\xc0":
        at += 1
    return at == size or is_record(_one(stream, at))


def _next_record(stream: BinaryIO, start: int, is_record: IsRecord, tries: int) -> tuple[int, int]:
    """Where the next record begins at or behind `start`, else the stream's end; and how many tries are left."""
    stream.seek(start)
    base, window = start, b""
    while read := stream.read(2**20):
        window += read
        for match in _BEGINNING.finditer(window):
            if not tries:
                return base + len(window), 0
            if is_record(_one(stream, base + match.start())):
                return base + match.start(), tries
            tries -= 1
        base, window = base + max(0, len(window) - 64), window[-64:]
        stream.seek(base + len(window))
    return base + len(window), tries


def _one(stream: BinaryIO, offset: int) -> Any:
    stream.seek(offset)
    found = _next(msgpack.Unpacker(stream, max_buffer_size=MAX_RECORD_BYTES, **_Counter().options()), _Counter(), 0)
    return found.value if isinstance(found, Value) else None


def value_of(packed: bytes, offset: int = 0) -> Value | Damage:
    """The one value that `packed` holds, which stood at `offset`."""
    if len(packed) > MAX_RECORD_BYTES:
        return Damage(f"larger than {MAX_RECORD_BYTES // 2**20} MB", offset)
    try:
        return Value(msgpack.unpackb(packed, **_Counter().options()), offset, len(packed))
    except _TooManyError:
        return Damage(TOO_MANY, offset, f"over {MAX_VALUES:,}")
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
