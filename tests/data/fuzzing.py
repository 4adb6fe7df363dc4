"""Damaged shards and photos, made by a seed, and what must hold when they are read; run in a process of its own.

`python -m tests.data.fuzzing shards|photos|bombs SEED COUNT FOLDER` prints one line of JSON: outcomes and their counts.
The process may take one gigabyte more than it needs to start: what needs more dies, and so does what hangs.
"""

import faulthandler
import io
import json
import random
import resource
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import msgpack
import numpy as np
from PIL import Image

from geotune.data.cache.squares import square
from geotune.data.dataset import open_dataset
from geotune.data.importing.prepare import Prepared, look_at, prepare
from geotune.data.shards.index import index_path, load_index
from geotune.data.shards.records import BadRecord, Record, read_records
from geotune.data.shards.stream import stream
from geotune.data.sources.found import LeftOut, Photo
from geotune.data.writing.writer import DatasetWriter
from geotune.errors import GeotuneError

MORE_BYTES = 2**30
HANG_SECONDS = 120
KINDS = ("JPEG", "JPEG", "progressive", "PNG", "WEBP", "TIFF", "MPO")

# ------------------------------------------------------------------------------------------ sound ones


def picture(rng: random.Random, kind: str, width: int = 48, height: int = 40) -> bytes:
    """A small picture with EXIF, as one of the kinds that Pillow writes."""
    pixels = np.frombuffer(rng.randbytes(width * height * 3), np.uint8).reshape(height, width, 3)
    image = Image.fromarray(cv2.GaussianBlur(pixels, (9, 9), 0))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = rng.randint(1, 8), "make"
    gps = exif.get_ifd(0x8825)
    gps.update({1: "N", 2: (50.0, 6.0, 7.0), 3: "E", 4: (8.0, 1.0, 2.0)})
    out = io.BytesIO()
    more = {"progressive": True} if kind == "progressive" else {}
    image.save(out, "JPEG" if kind == "progressive" else kind, exif=exif, **more)
    return out.getvalue()


def records(rng: random.Random) -> list[dict[str, Any]]:
    return [
        {"id": f"p{i}.jpg", "image": picture(rng, "JPEG"), "latitude": 50 + i / 100, "longitude": 8.0, "place": i}
        for i in range(4)
    ]


# ------------------------------------------------------------------------------------------ damage


def mutated(rng: random.Random, data: bytes) -> bytes:
    """One to three kinds of damage at random places."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(found) + 1)
        span = min(rng.choice((1, 2, 4, 16, 300)), len(found) - at)
        kind = rng.randrange(8)
        if kind == 0:  # bits flipped
            for _ in range(rng.choice((1, 1, 8, 64))):
                if found:
                    found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
        elif kind == 1:  # cut
            del found[at:]
        elif kind == 2:  # a piece lost
            del found[at : at + span]
        elif kind == 3:  # doubled
            found[at:at] = found[at : at + span] * rng.choice((1, 2, 50))
        elif kind == 4:  # absurd lengths of every MessagePack type, and of JPEG segments
            code = rng.choice((0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF, 0xFF))
            found[at : at + span] = bytes([code]) + rng.choice((b"\xff" * 4, b"\x7f\xff\xff\xff", rng.randbytes(4)))
        elif kind == 5:  # noise
            found[at : at + span] = rng.randbytes(span)
        elif kind == 6:  # zeros, as a disk leaves them
            found[at : at + span] = bytes(span)
        else:  # another beginning
            found[: rng.randrange(9)] = rng.randbytes(rng.randrange(9))
    return bytes(found)


def odd_value(rng: random.Random, depth: int = 0) -> Any:
    """A value of a type that has no business there."""
    if depth < 3 and rng.random() < 0.2:
        inside = [odd_value(rng, depth + 1) for _ in range(rng.randrange(5))]
        return inside if rng.random() < 0.5 else {str(i): value for i, value in enumerate(inside)}
    return rng.choice((
        None, True, -1, 2**63, -(2**63), 2**64 - 1, 0.5, float("nan"), float("inf"), -1e308, "", "x", "91", "\0", b"",
        b"\xff\xfe", "9" * 5000, b"\0" * 2000, msgpack.ExtType(5, b"x"), msgpack.Timestamp(1), "é" * 600, "1e999",
    ))  # fmt: skip


def odd_shard(rng: random.Random, rows: list[dict[str, Any]]) -> bytes:
    """A shard that is sound MessagePack with wrong values in it."""
    found: list[Any] = [dict(row) for row in rows]
    for _ in range(rng.randint(1, 3)):
        k = rng.randrange(len(found))
        if rng.random() < 0.3 or not isinstance(found[k], dict):
            found[k] = odd_value(rng)
        else:
            name = rng.choice(("id", "image", "latitude", "longitude", "place", "more"))
            found[k][name] = odd_value(rng)
            if rng.random() < 0.2:
                found[k][rng.choice((1, b"\xff", None, 2.5))] = odd_value(rng)
    return b"".join(msgpack.packb(row) for row in found)


# ------------------------------------------------------------------------------------------ what must hold


def check_shard(path: Path, data: bytes) -> Iterator[str]:
    path.write_bytes(data)
    found = list(read_records(path))
    assert bool(found) == bool(data)
    yield from (name_of(record) for record in found)
    end = 0
    for record in found:  # one after the other, and each bad one says where and why
        assert isinstance(record, Record | BadRecord)
        assert record.offset >= end
        end = record.offset + (record.length if isinstance(record, Record) else 1)
        assert not isinstance(record, BadRecord) or (0 < len(record.reason) < 100 and len(str(record)) < 250)
    good = [r.id for r in found if isinstance(r, Record)]
    index_path(path).unlink(missing_ok=True)
    located = [r.id for r in found if isinstance(r, Record) and r.latitude is not None]
    assert list(load_index(path).id) == located
    bad: list[BadRecord] = []
    assert [r.id for r in stream([path], on_bad=lambda _, record: bad.append(record))] == good
    assert len(bad) + len(good) == len(found)


def check_dataset(folder: Path) -> Iterator[str]:
    """A dataset of which one file was damaged gives photos, or says what is wrong."""
    train = result_of(lambda: open_dataset(folder).split("train"), GeotuneError)
    if isinstance(train, GeotuneError):
        assert train.hint
        yield "refused"
        return
    for i in range(len(train)):
        jpeg = result_of(partial(train.photo, i), GeotuneError)
        if isinstance(jpeg, GeotuneError):
            assert str(train.ids[i]) in str(jpeg)
            yield "photo refused"
        else:
            yield from check_square(jpeg)


def result_of(work: Callable[[], Any], expected: type[Exception]) -> Any:
    """What comes of `work`: a result, or the one kind of exception that it may raise."""
    try:
        return work()
    except expected as error:
        return error


def check_square(data: bytes) -> Iterator[str]:
    found = result_of(lambda: square(data, 32), ValueError)
    if isinstance(found, ValueError):
        assert len(str(found)) < 500
        yield "not decoded"
    else:
        assert found.shape == (32, 32, 3)
        yield "decoded"


def check_photo(data: bytes) -> Iterator[str]:
    photo = Photo("p", 50.0, 8.0, lambda: data)
    made = prepare(photo, 40, 90)
    if isinstance(made, Prepared):
        with Image.open(io.BytesIO(made.jpeg)) as stored:
            stored.load()
            assert max(stored.size) <= 40
            assert not stored.getexif()
        yield "prepared"
    else:
        assert isinstance(made, LeftOut)
        assert made.id == "p"
        yield made.reason
    assert isinstance(look_at(photo), LeftOut) == isinstance(made, LeftOut)
    yield from check_square(data)


def name_of(record: Record | BadRecord) -> str:
    return "record" if isinstance(record, Record) else record.reason


# ------------------------------------------------------------------------------------------ bombs


def png(width: int, height: int, rows: int, text: int = 0) -> bytes:
    """A PNG that claims a size; as many rows of zeros as said, packed a thousandfold, and a text of `text` bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 + 3 * width)) for _ in range(rows)) + packer.flush()
    more = chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(text), 9)) if text else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def jpeg_of(width: int, height: int, scans: int = 1) -> bytes:
    """A small JPEG that claims a size, its scans repeated."""
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(out, "JPEG", progressive=scans > 1)
    data = bytearray(out.getvalue())
    at = next(i for i in range(len(data)) if data[i] == 0xFF and data[i + 1] in (0xC0, 0xC2))
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    first, end = data.index(b"\xff\xda"), data.rindex(b"\xff\xd9")
    last = data.rindex(b"\xff\xda")
    return bytes(data[:end] + data[last:end] * (scans - 1) + data[end:]) if first else bytes(data)


def shard_bombs() -> dict[str, bytes]:
    good = msgpack.packb({"id": "good", "image": b"J", "lat": 1, "lon": 2})
    wide = b"\xdd" + struct.pack(">I", 8000) + b"\xdc\x1f\x40" * 1  # a list of lists of 8,000 …
    maps = b"\x82\xa5image\xa1J\xa1x" + b"\xdc\x1f\x40" + (b"\xdc\x1f\x40" + b"\x80" * 8000) * 8000
    return {
        "list of 4 billion": b"\xdd\xff\xff\xff\xff" + good,
        "map of 4 billion": b"\xdf\xff\xff\xff\xff" + good,
        "bytes of 4 GB": b"\xc6\xff\xff\xff\xff" + good,
        "text of 4 GB": b"\xdb\xff\xff\xff\xff" + good,
        "extension of 4 GB": b"\xc9\xff\xff\xff\xff\x01" + good,
        "lists in lists": b"\x91" * 200_000,
        "maps in maps": b"\x81\xa1x" * 200_000,
        "maps as keys": b"\x81" * 200_000,
        "long lists in long lists": wide * 5_000,
        "longest lists in lists": (b"\xdc\x20\x00") * 100_000,
        "64 million empty maps": maps + good,
        "empty maps until the end": b"\x80" * 30_000 + good,
        "keys that collide": b"".join(
            b"\xde\x02\x00" + b"".join(b"\xcf" + struct.pack(">Q", (i + 1) * (2**61 - 1)) + b"\xc0" for i in range(7))
            + b"".join(bytes([i, 0xC0]) for i in range(100)) + b"".join(b"\xcd" + struct.pack(">H", i + 1000) + b"\xc0"
            for i in range(405)) for _ in range(200)
        ) + good,
        "an id of 60 MB": msgpack.packb({"id": "x" * 60_000_000, "image": b"J", "lat": 1, "lon": 2}) + good,
        "a latitude of 60 MB": msgpack.packb({"id": "a", "image": b"J", "lat": "9" * 60_000_000, "lon": 2}) + good,
        "a place of 60 MB": msgpack.packb({"id": "a", "image": b"J", "place": b"9" * 60_000_000}) + good,
        "a photo of 70 MB": msgpack.packb({"id": "a", "image": b"J" * 70_000_000}) + good,
    }  # fmt: skip


def photo_bombs() -> dict[str, bytes]:
    return {
        "png of 2 gigapixels": png(46_000, 46_000, 1),
        "png of 36 megapixels": png(6_000, 6_000, 6_000),
        "png of 170 megapixels, without rows": png(17_000, 10_000, 1),
        "png with a text of 64 MB": png(64, 64, 64, text=2**26),
        "jpeg of 4 gigapixels": jpeg_of(65_500, 65_500),
        "jpeg of 160 megapixels": jpeg_of(16_000, 10_000),
        "jpeg of 160 megapixels in 10,000 scans": jpeg_of(16_000, 10_000, scans=10_000),
    }


# ------------------------------------------------------------------------------------------ a run


def guarded(outcomes: Counter[str], what: str, check: Callable[[], Iterator[str]]) -> None:
    faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
    try:
        outcomes.update(check())
    except BaseException:
        sys.stderr.write(f"failed: {what}\n")
        raise
    finally:
        faulthandler.cancel_dump_traceback_later()


def fuzz_shards(rng: random.Random, count: int, folder: Path) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    rows = records(rng)
    sound = b"".join(msgpack.packb(row) for row in rows)
    old = msgpack.Packer(use_bin_type=False)
    without_bin = b"".join(old.pack({"id": row["id"], "image": row["image"]}) for row in rows)
    with DatasetWriter(folder / "made", name="made", extent="region", split={"question": "q"}) as writer:
        for row in rows:
            for split in ("train", "valid", "test"):
                writer.add(split, row["id"], row["image"], row["latitude"], row["longitude"], row["place"])
    train = folder / "made" / "train" / "shard_0.msg"
    files = {path: path.read_bytes() for path in (train, index_path(train), folder / "made" / "dataset.json")}
    for number in range(count):
        if number % 4 == 3:  # a dataset
            path = rng.choice(list(files))
            spoilt = mutated(rng, files[path])
            path.write_bytes(spoilt)
            guarded(outcomes, f"{number} {path.name} {spoilt!r:.300}", lambda: check_dataset(folder / "made"))
            for path, content in files.items():
                path.write_bytes(content)
        else:
            data = odd_shard(rng, rows) if number % 4 == 0 else mutated(rng, rng.choice((sound, without_bin)))
            guarded(outcomes, f"{number} {data!r:.300}", lambda data=data: check_shard(folder / "x.msg", data))
    return outcomes


def fuzz_photos(rng: random.Random, count: int, folder: Path) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    sound = [picture(rng, kind) for kind in KINDS]
    for number in range(count):
        data = mutated(rng, rng.choice(sound))
        guarded(outcomes, f"{number} {data[:300]!r}", lambda data=data: check_photo(data))
    return outcomes


def fuzz_bombs(rng: random.Random, count: int, folder: Path) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    for name, data in shard_bombs().items():
        guarded(outcomes, name, lambda data=data: check_shard(folder / "x.msg", data))
    for name, data in photo_bombs().items():
        guarded(outcomes, name, lambda data=data: check_photo(data))
    return outcomes


def main(kind: str, seed: str, count: str, folder: str) -> None:
    run = {"shards": fuzz_shards, "photos": fuzz_photos, "bombs": fuzz_bombs}[kind]
    for kind_of_photo in KINDS:  # loads all libraries
        list(check_photo(picture(random.Random(0), kind_of_photo)))
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MORE_BYTES, taken + MORE_BYTES))
    outcomes = run(random.Random(int(seed)), int(count), Path(folder))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sys.stdout.write(json.dumps({"outcomes": dict(outcomes.most_common()), "peak_mb": peak}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
