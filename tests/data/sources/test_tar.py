import gzip
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from geotune.data.sources.tar import TarError, members_of


def contents(path: Path) -> Iterator[tuple[str, bytes]]:
    for member in members_of(path):
        yield member.name, member.keep().load()


@pytest.mark.parametrize("file", ["a.tar", "a.tar.gz", "a.TGZ"])
def test_plain_files_in_order(archive: Callable[..., Path], file: str) -> None:
    files = {"x/a.jpg": b"1" * 700, "empty": b"", "b": b"2" * 512, "c" * 300: b"3"}
    assert dict(contents(archive(files, file))) == files


def test_what_is_no_plain_file_is_passed_over(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            member = tarfile.TarInfo("../../etc/passwd")
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
        member = tarfile.TarInfo("/abs/../a.jpg")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    assert list(contents(tmp_path / "a.tar")) == [("/abs/../a.jpg", b"x")]


def test_a_photo_of_a_plain_archive_is_not_held(archive: Callable[..., Path]) -> None:
    files = {"a": b"1" * 1000}
    for plain in members_of(archive(files, "a.tar")):
        assert plain.keep().held == 0
    for packed in members_of(archive(files, "a.tar.gz")):
        kept = packed.keep()
    assert (kept.held, kept.load()) == (1000, b"1" * 1000)
    with pytest.raises(RuntimeError, match="taken before"):
        kept.load()


def test_an_archive_without_an_end_mark_is_whole(archive: Callable[..., Path]) -> None:
    path = archive({"a": b"1" * 512})
    path.write_bytes(path.read_bytes()[:1024])
    assert list(contents(path)) == [("a", b"1" * 512)]


@pytest.mark.parametrize("file", ["a.tar", "a.tar.gz"])
@pytest.mark.parametrize("left", [600, 1100, 1600, 1900])
def test_cut_archives_are_said(archive: Callable[..., Path], file: str, left: int) -> None:
    path = archive({"a": b"1" * 512, "b": b"2" * 800}, "whole.tar")
    data = path.read_bytes()[:left]
    (path.parent / file).write_bytes(gzip.compress(data) if file.endswith("gz") else data)
    found = contents(path.parent / file)
    with pytest.raises(TarError) as caught:
        assert dict(found) == {}
    assert caught.value.reason == "the file is cut off here"


def test_a_cut_gzip_is_said(archive: Callable[..., Path]) -> None:
    path = archive({"a": np.random.default_rng(0).bytes(5000)}, "a.tar.gz")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(TarError) as caught:
        list(contents(path))
    assert caught.value.reason == "the file is cut off here"


@pytest.mark.parametrize(
    "data",
    [b"", b"no archive", b"\x1f\x8b\x08 broken", b"\xff" * 4096, b"x" * 512 * 3],
)
@pytest.mark.parametrize("file", ["a.tar", "a.tar.gz"])
def test_what_is_no_archive_is_said(tmp_path: Path, data: bytes, file: str) -> None:
    (tmp_path / file).write_bytes(data)
    with pytest.raises(TarError, match="the file is"):
        list(members_of(tmp_path / file))


def test_damage_in_the_middle_is_said(archive: Callable[..., Path]) -> None:
    path = archive({"a": b"1" * 512, "b": b"2" * 512, "c": b"3" * 512})
    data = bytearray(path.read_bytes())
    data[1030] ^= 0xFF  # in the header of b
    path.write_bytes(data)
    found = contents(path)
    assert next(found) == ("a", b"1" * 512)
    with pytest.raises(TarError) as caught:
        next(found)
    assert caught.value.reason == "the file is damaged from here on"


def header(size: bytes, kind: bytes = b"0") -> bytes:
    block = bytearray(tarfile.TarInfo("a.jpg").tobuf(tarfile.GNU_FORMAT))
    block[124:136], block[156:157] = size, kind
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize("kind", [b"0", b"x", b"g", b"L", b"S"])
@pytest.mark.parametrize(
    "size",
    [
        b"\x80" + (2**60).to_bytes(11, "big"),  # more than any disk
        b"\xff" + (2**88 - 512).to_bytes(11, "big"),  # -512: back to where it came from
        b"\xff" + (2**88 - 1024).to_bytes(11, "big"),
        b"77777777777\0",
    ],
)
@pytest.mark.parametrize("file", ["a.tar", "a.tar.gz"])
def test_absurd_lengths_end_the_archive(tmp_path: Path, size: bytes, kind: bytes, file: str) -> None:
    data = (header(b"00000001000\0") + bytes(512)) * 2 + header(size, kind) + bytes(2048)
    (tmp_path / file).write_bytes(gzip.compress(data) if file.endswith("gz") else data)
    with pytest.raises(TarError):
        list(members_of(tmp_path / file))


def test_a_header_cannot_fill_the_memory(tmp_path: Path) -> None:
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [bomb.compress(header(b"%011o\0" % (2**28), b"x"))]
    parts += [bomb.compress(bytes(2**24)) for _ in range(16)]
    (tmp_path / "a.tar.gz").write_bytes(b"".join(parts) + bomb.flush())
    with pytest.raises(TarError) as caught:
        list(members_of(tmp_path / "a.tar.gz"))
    assert caught.value.detail == "a header of 268,435,456 bytes"


def test_mutated_archives_end_in_files_or_in_a_tar_error(archive: Callable[..., Path], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    whole = archive({f"{i}.jpg": random.bytes(300) for i in range(4)}).read_bytes()[: 1024 * 5]
    for file in ("m.tar", "m.tar.gz"):
        for _ in range(300):
            data = bytearray(gzip.compress(whole) if file.endswith("gz") else whole)
            for at in random.integers(0, len(data), 4):
                data[at] = random.integers(256)
            (tmp_path / file).write_bytes(data[: random.integers(len(data) // 2, len(data) + 1)])
            try:
                assert all(len(content) < 10_000 for _, content in contents(tmp_path / file))
            except (TarError, OSError):  # OSError: a length that leads behind the end
                continue
