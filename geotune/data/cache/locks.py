"""Whether a file is locked: by a process that lives, for the operating system unlocks what a dead one held."""

import fcntl
import os
from pathlib import Path


def is_locked(path: Path) -> bool:
    """Whether any process holds a lock (flock) on a file; False where there is none, or it cannot be looked at."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
