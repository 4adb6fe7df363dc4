"""Room on the disk for files that are written through a map."""

import os
import resource
from pathlib import Path

import pytest

from geotune.data.cache.allocate import allocate


@pytest.mark.parametrize("native", [True, False])
def test_zeros_behind_what_is_there_and_no_holes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, native: bool) -> None:
    if not native:
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    path = tmp_path / "x"
    with path.open("wb") as stream:
        stream.write(b"head")
        stream.flush()
        allocate(stream, 3 * 2**20 + 7)
        allocate(stream, 2)  # never shorter
        os.fsync(stream.fileno())
    assert path.read_bytes() == b"head" + bytes(3 * 2**20 + 3)
    assert path.stat().st_blocks * 512 >= 3 * 2**20


def test_too_little_room_is_an_error_of_the_call(tmp_path: Path) -> None:
    number = os.fork()
    if number == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        try:
            with (tmp_path / "x").open("wb") as stream:
                allocate(stream, 5000)
        except OSError:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(number, 0)[1] == 0
