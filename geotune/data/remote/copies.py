"""The local copy of a remote folder: its files as they are needed, several at once, and what they were when they came.

It lies in the user's cache as `remote/<name>-<key>/<name>/…`; beside the files `about.json` says where they come from.
"""

import hashlib
import json
import logging
import re
import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from geotune.data.cache.entries import cache_root, describe, description, hold, locked, unusable
from geotune.data.remote.download import download, version_of
from geotune.errors import GeotuneError

OnProgress = Callable[[int, int], None]

AT_ONCE = 12
"""Files fetched at the same time."""

log = logging.getLogger(__name__)
_in_use: dict[Path, int | None] = {}


@dataclass(frozen=True)
class Copy:
    """A local folder and the remote one that its files come from."""

    url: str
    folder: Path
    single: bool = False
    """Whether the URL is that of the only file."""

    @classmethod
    def at(cls, folder: Path) -> "Copy | None":
        """The copy that lies at a folder, or None for any other folder."""
        entry = folder.absolute().parent
        about = _about(entry)
        return cls._held(entry, about) if about and about["name"] == folder.name else None

    @classmethod
    def make(cls, url: str, content: bytes = b"", *, single: bool = False) -> "Copy":
        """The copy of a URL, made if there is none; `content` tells its states apart, which get copies of their own."""
        name = re.sub(r"[^\w.-]+", "-", name_of(url))[-60:].lstrip(".") or "files"
        key = hashlib.sha256(url.encode() + b"\0" + content).hexdigest()[:16]
        entry = _root() / f"{name}-{key}"
        about = {"what": "remote", "dataset": url, "name": name, "single": single, "time": time.time()}
        with locked():
            try:
                (entry / name).mkdir(parents=True, exist_ok=True)
                describe(entry, **about)
            except OSError as error:
                raise unusable(entry, error) from None
            return cls._held(entry, about)

    @classmethod
    def last(cls, url: str) -> "Copy | None":
        """The copy of a URL, in whatever state, that was used last."""
        found = [(about, entry) for entry in _root().glob("*/") if (about := _about(entry)) and about["dataset"] == url]
        about, entry = max(found, key=lambda pair: float(pair[0]["time"]), default=(None, None))
        return cls._held(entry, about) if entry and about else None

    @classmethod
    def _held(cls, entry: Path, about: dict[str, Any]) -> "Copy":
        if entry not in _in_use:  # until the process ends
            _in_use[entry] = hold(entry)
        return cls(about["dataset"], entry / about["name"], about["single"])

    def fetch(self, name: str) -> Path:
        """The local path of the file `name`, fetched unless it is there. Raises FileNotFoundError, GeotuneError."""
        path = self.folder / name

        def note(version: str) -> None:
            with self._journal.open("a", encoding="utf-8") as stream:
                stream.write("\n" + json.dumps([name, version]))  # behind whatever half of a line a kill has left

        download(self.address(name), path, self.folder.parent / "coming", note)
        return path

    def fetch_all(self, names: Iterable[str], on_progress: OnProgress | None = None, *, needed: bool = True) -> None:
        """Fetch many files; what is not `needed` may be missing there. `on_progress(files done, files)`."""

        def one(name: str) -> None:
            try:
                self.fetch(name)
            except FileNotFoundError:
                if needed:
                    raise GeotuneError(f"{self.address(name)}: is missing there", "upload it again") from None

        names = list(names)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                for done, _ in enumerate(pool.map(one, names), start=1):
                    if on_progress:
                        on_progress(done, len(names))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def address(self, name: str) -> str:
        """The URL of the file `name`."""
        return self.url if self.single else join(self.url, name)

    def drop_changed(self) -> None:
        """Remove what has changed there since it was fetched; it is fetched again when it is needed."""
        versions = self._versions()

        def check(name: str) -> None:
            try:
                now, _ = version_of(self.address(name))
            except FileNotFoundError:
                return  # whoever needs it has it
            if now != versions[name]:
                log.warning("%s: changed since it was fetched; it is fetched again", self.address(name))
                (self.folder / name).unlink(missing_ok=True)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(check, [name for name in versions if (self.folder / name).is_file()]))

    @property
    def _journal(self) -> Path:
        return self.folder.parent / "versions.jsonl"

    def _versions(self) -> dict[str, str]:
        found: dict[str, str] = {}
        lines = self._journal.read_text("utf-8", "replace").splitlines() if self._journal.is_file() else []
        for line in lines:
            try:
                name, version = json.loads(line)
                found[str(name)] = str(version)
            except (ValueError, TypeError):  # torn by a kill
                continue
        return found


def name_of(url: str) -> str:
    """`https://host/a/town%20hall` -> `town hall`."""
    parts = urlsplit(url)
    return unquote(PurePosixPath(parts.path).name) or parts.netloc


def join(url: str, name: str) -> str:
    """The URL of the file `name` in the folder `url`: a web server's names are quoted, an object store's are not."""
    return f"{url}/{quote(name) if url.startswith('http') else name}"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises OSError."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _root() -> Path:
    return cache_root() / "remote"


def _about(entry: Path) -> dict[str, Any] | None:
    about = description(entry)
    return about if about.get("what") == "remote" and {"dataset", "name", "single", "time"} <= set(about) else None
