"""What lies in the cache: entries that say what they are, are held while in use, and are removed whole.

An entry is a folder: decoded photos, features, the demo, a remote dataset. `about.json` says what it is; the date of
`used` is that of its last use, and whoever uses it holds a shared lock on that file, which ends with the process.
"""

import errno
import fcntl
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from geotune.data.cache.locks import is_locked
from geotune.errors import GeotuneError

KINDS = ("photos", "features", "remote")
"""Folders of entries; the demo dataset and the indices of shards lie beside them, an entry each."""


def cache_root() -> Path:
    """The folder of everything that can be made again: $GEOTUNE_CACHE, else the user's cache folder."""
    named = os.environ.get("GEOTUNE_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("geotune", appauthor=False))


@dataclass(frozen=True)
class Entry:
    """One entry: `size` in bytes on the disk, `used` the last use as seconds since 1970, 0 if never held."""

    folder: Path
    about: dict[str, Any]
    size: int
    used: float

    @property
    def name(self) -> str:
        return self.folder.relative_to(cache_root()).as_posix()

    @property
    def promised(self) -> int:
        """Bytes that it may come to take: as many as were set aside for it, as long as it is not complete."""
        return self.size if (self.folder / "complete").exists() else max(self.size, _number(self.about, "bytes"))

    @property
    def in_use(self) -> bool:
        return bool(self.used) and not free(self.folder)

    @property
    def filled(self) -> float | None:
        """The share that is there; None where it is not counted."""
        rows = _number(self.about, "photos")
        if not rows:
            return None
        if (self.folder / "complete").exists():
            return 1.0
        with suppress(FileNotFoundError):
            from geotune.data.cache.claims import count_filled

            return min(1.0, count_filled(self.folder) / rows)
        done = sum(1 for _ in self.folder.glob("*.done"))
        return min(1.0, done * max(1, _number(self.about, "chunk")) / rows)


def entries() -> list[Entry]:
    """All entries, the least recently used ones first; those that are never held come last."""
    root = cache_root()
    folders = [folder for kind in KINDS for folder in _folders(root / kind)]
    folders += [folder for folder in _folders(root) if folder.name.startswith("demo-") or folder.name == "indices"]
    return sorted(map(_entry, folders), key=lambda entry: (not entry.used, entry.used))


def describe(folder: Path, **about: object) -> None:
    """Write `about.json` of an entry: `what`, and what else tells it from others (dataset, split, px, photos …)."""
    fresh = folder / f".about.{uuid.uuid4().hex}"
    fresh.write_text(json.dumps(about), encoding="utf-8")
    fresh.replace(folder / "about.json")


def description(folder: Path) -> dict[str, Any]:
    """What `describe` wrote; nothing where that is missing or damaged."""
    try:
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def _number(about: dict[str, Any], key: str) -> int:
    """A number of a description, which may have been damaged; else 0."""
    value = about.get(key)
    return max(0, value) if isinstance(value, int) else 0


# ------------------------------------------------------------------------------------------ use


@contextmanager
def locked() -> Iterator[None]:
    """Held while an entry is made, taken or removed. Raises GeotuneError where the cache cannot be written."""
    root = cache_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(root / "lock").acquire()
    except OSError as error:
        raise unusable(root, error) from None
    with lock:
        yield


def hold(folder: Path) -> int | None:
    """Keep an entry from being removed until the file descriptor is closed, or the process ends.

    None: it is not there, or being removed, which under `locked()` an entry that is there never is.
    """
    path = folder / "used"
    try:
        descriptor = _open_used(path)
    except FileNotFoundError:
        return None
    try:
        if not _shared(descriptor) or not os.path.samestat(os.fstat(descriptor), path.stat()):
            os.close(descriptor)
            return None
    except FileNotFoundError:  # removed since it was opened
        os.close(descriptor)
        return None
    except OSError as error:
        os.close(descriptor)
        raise unusable(folder, error) from None
    with suppress(OSError):
        os.utime(path)
    return descriptor


def _open_used(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        return os.open(path, os.O_RDONLY)  # filled by somebody else for all to read


def _shared(descriptor: int) -> bool:
    """Take the shared lock; False where it is being removed. Whoever asks whether it is `free` is gone in no time."""
    for pause in (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.0):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(pause)
    return False


def unusable(folder: Path, error: OSError) -> GeotuneError:
    return GeotuneError(
        f"{folder}: cannot be written ({error.strerror})",
        "name a folder of this machine for things that can be made again: export GEOTUNE_CACHE=/path/with/space",
    )


# ------------------------------------------------------------------------------------------ removal


def remove(folder: Path) -> bool:
    """Remove an entry that nobody uses, whole or not at all; False where it is in use."""
    if (folder / "used").exists():
        descriptor = os.open(folder / "used", os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _throw(folder)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
    else:
        _throw(folder)
    return True


def _throw(folder: Path) -> None:
    trash = cache_root() / f".trash-{uuid.uuid4().hex}"
    folder.rename(trash)  # nobody finds half of it
    shutil.rmtree(trash, ignore_errors=True)


def free(folder: Path) -> bool:
    """Whether nobody holds an entry."""
    return not is_locked(folder / "used")


def _folders(parent: Path) -> list[Path]:
    try:
        return sorted(path for path in parent.iterdir() if path.is_dir())
    except OSError:
        return []


def _entry(folder: Path) -> Entry:
    size, used = 0, 0.0
    for path in folder.rglob("*"):
        with suppress(OSError):  # removed meanwhile
            status = path.lstat()
            size += status.st_blocks * 512  # a file with holes takes less than its length
            if path.name == "used" and path.parent == folder:
                used = status.st_mtime
    return Entry(folder, description(folder) or {"what": folder.name.partition("-")[0]}, size, used)
