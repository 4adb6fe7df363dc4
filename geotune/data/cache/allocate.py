"""Files that are written through a memory map: the disk gives all their room at once.

Writing into a hole of a map when the disk is full would kill the process with SIGBUS; asked for here, it is an OSError.
"""

import os
from typing import BinaryIO

_ZEROS = bytes(2**20)


def allocate(stream: BinaryIO, size: int) -> None:
    """Lengthen a file to `size` bytes, the new ones zero and without holes. Raises OSError where the disk is full."""
    start = stream.seek(0, os.SEEK_END)
    if hasattr(os, "posix_fallocate"):
        if size > start:
            os.posix_fallocate(stream.fileno(), start, size - start)
        return
    for at in range(start, size, len(_ZEROS)):
        stream.write(_ZEROS[: size - at])
    stream.flush()
