"""One file of a remote folder, fetched once a node: whole or not at all, and going on where it was interrupted."""

import errno
import hashlib
import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from filelock import FileLock

from geotune.data.cache.entries import locked
from geotune.data.cache.room import make_room
from geotune.errors import GeotuneError

T = TypeVar("T")

ATTEMPTS = 4
CHUNK_BYTES = 16 * 2**20
PAUSE_SECONDS = 0.5
LARGE_BYTES = 2**20
"""From here on a file asks for room in the cache."""

VERSIONS = (
    "ETag", "etag", "md5Hash", "Content-MD5", "blob_id", "generation", "Last-Modified", "LastModified", "last_modified",
    "mtime", "created",
)  # fmt: skip
"""What file systems call that which changes with a file's content, the surest first."""

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
"""Faults of our disk, not of the network."""

log = logging.getLogger(__name__)


def file_system(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL and the path in it. Raises GeotuneError where there is no way to read such."""
    import fsspec

    scheme = url.partition("://")[0]
    options: dict[str, Any] = {}
    if scheme in ("http", "https"):
        import aiohttp

        # aiohttp ends whatever takes five minutes; a shard may take longer, as long as something comes.
        options["client_kwargs"] = {"timeout": aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)}
    try:
        found: tuple[Any, str] = fsspec.core.url_to_fs(url, **options)
        return found
    except ImportError as error:
        raise GeotuneError(
            f"{url}: {scheme}:// needs a package that is not installed ({error})", "pip install 'geotune[remote]'"
        ) from None
    except ValueError as error:
        known = "s3://, gs://, hf://, https://, http://, file:// and memory://"
        raise GeotuneError(f"{url}: cannot be read ({error})", f"geotune reads {known}") from None


def read(url: str) -> bytes:
    """A small file's bytes. Raises FileNotFoundError, and GeotuneError for any other fault."""
    fs, path = file_system(url)
    return patiently(url, lambda: bytes(fs.cat_file(path)))


def version_of(url: str) -> tuple[str, int | None]:
    """What changes when a file does, and its size where the server says it. Raises as `read`."""
    fs, path = file_system(url)
    fs.invalidate_cache()
    info = patiently(url, lambda: dict(fs.info(path)))
    said = next((str(info[key]) for key in VERSIONS if info.get(key)), "")
    size = info.get("size")
    return f"{size} {said}", size


def download(url: str, to: Path, work: Path, note: Callable[[str], None]) -> None:
    """Fetch a file unless it is there; who asks at the same time waits for the first. `note(version)` comes before it
    lies there: no kill leaves a file of which no version is known.

    It comes in under its name only when whole; what is not is kept in the folder `work`. Raises FileNotFoundError, and
    GeotuneError for any other fault.
    """
    if to.is_file():
        return
    key = hashlib.sha256(url.encode()).hexdigest()[:16]
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        work.mkdir(parents=True, exist_ok=True)
        with FileLock(work / f"{key}.lock"):
            if to.is_file():
                return
            for _ in range(ATTEMPTS):
                version, size = version_of(url)
                part = work / f"{key}-{hashlib.sha256(version.encode()).hexdigest()[:16]}.part"
                for other in work.glob(f"{key}-*.part"):
                    if other != part:  # of a version that is no more
                        other.unlink(missing_ok=True)
                _make_room(url, (size or 0) - (part.stat().st_size if part.exists() else 0))
                patiently(url, partial(_get, url, part, size))
                if version_of(url)[0] == version:
                    note(version)
                    part.replace(to)
                    return
                part.unlink(missing_ok=True)  # it may be of both
            raise GeotuneError(f"{url}: changes while it is fetched", "try again when its upload is done")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise GeotuneError(
            f"{url}: cannot be kept at {to} ({error.strerror})",
            "free some space, or name another disk: export GEOTUNE_CACHE=/path/with/space",
        ) from None


def _make_room(url: str, size: int) -> None:
    """Hold the cache's limit for a shard; what is small is not worth the look."""
    if size < LARGE_BYTES:
        return
    with locked():
        if make_room([size]) is None:
            raise GeotuneError(
                f"{url}: its {size / 1e6:,.0f} MB do not fit into the cache",
                "see what is in it: geotune data cache; or let it have more: export GEOTUNE_CACHE_LIMIT=100GB",
            )


def _get(url: str, part: Path, size: int | None) -> None:
    fs, path = file_system(url)
    have = part.stat().st_size if part.exists() else 0
    if size and 0 < have < size:
        with part.open("ab") as stream:
            while have < size:
                chunk = fs.cat_file(path, start=have, end=min(have + CHUNK_BYTES, size))
                if len(chunk) != min(CHUNK_BYTES, size - have):  # the server knows no ranges
                    break
                stream.write(chunk)
                have += len(chunk)
    if not (size and have == size):
        fs.get_file(path, str(part))
        have = part.stat().st_size
    if size is not None and have != size:
        part.unlink()
        raise EOFError(f"{have:,} of {size:,} bytes came")


def patiently(url: str, work: Callable[[], T]) -> T:
    """The result of `work`, tried again a few times where the network fails."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return work()
        except (FileNotFoundError, GeotuneError):
            raise
        except Exception as error:  # each file system has exceptions of its own
            if isinstance(error, OSError) and error.errno in DISK:
                raise
            status = getattr(error, "status", None)
            refused = isinstance(error, PermissionError) or status in (401, 403)
            if refused or attempt == ATTEMPTS:
                reason = str(error) or type(error).__name__
                raise GeotuneError(f"{url}: cannot be read ({reason[:300]})", _mend(url, refused, reason)) from None
            log.info("%s: %s; trying again", url, error)
            time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
    raise AssertionError("unreachable")


def _mend(url: str, refused: bool, reason: str) -> str:
    keys = {
        "s3": "aws configure, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        "gs": "gcloud auth application-default login",
        "hf": "hf auth login, or HF_TOKEN",
    }
    scheme = urlsplit(url).scheme
    if "credentials" in reason and scheme in keys:
        return f"say who you are: {keys[scheme]}"
    if refused and scheme in keys:
        return f"is it yours to read? {keys[scheme]}"
    if "WRONG_VERSION_NUMBER" in reason:
        return f"that server speaks no https; if you trust the way to it: http{url.removeprefix('https')}"
    if "Cannot connect" in reason or "refused" in reason:
        return "nothing answers there: is the address right, and the server running? What has arrived is kept"
    return "try again when the network is back: what has arrived is kept"
