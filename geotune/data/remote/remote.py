"""Remote datasets and sources (`s3://`, `gs://`, `hf://`, `https://`) as local folders: fetched once a node.

Of a dataset comes `dataset.json` first, each time; then the indices; and a shard when its first photo is read. A copy
belongs to one `dataset.json`: where that changes there will be another, and who reads the old one goes on undisturbed.
A shard that changes under the same `dataset.json` is removed from the copy by whoever opens it next, and fetched anew.
"""

import logging
import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from geotune.data.remote.copies import Copy, OnProgress, join, name_of, write_whole
from geotune.data.remote.download import file_system, patiently, read
from geotune.errors import GeotuneError

DEEPEST = 8
"""Folders below a source that are looked into."""
WANTED = {
    ".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".heif", ".avif", ".csv", ".tsv", ".json",
    ".msg", ".parquet", ".tar", ".tgz", ".gz",
}  # fmt: skip
"""Of a source; a bucket may hold anything besides."""

log = logging.getLogger(__name__)
_checked: set[Path] = set()


def url_of(source: str | Path) -> str | None:
    """The URL that a dataset's or source's name is, or None for a local one; `https:/x`, as a Path has it, too."""
    match = re.fullmatch(r"([a-z][a-z0-9+.-]+):/+(.+)", str(source), re.IGNORECASE | re.DOTALL)
    if not match or Path(source).exists():
        return None
    scheme, rest = match[1].lower(), match[2].rstrip("/")
    return f"{scheme}://{'/' if scheme == 'file' else ''}{rest}"


def absolute(source: str | Path) -> str:
    """The name of a dataset that holds in every folder: its URL, or its absolute path."""
    return url_of(source) or str(Path(source).expanduser().absolute())


def local(source: str | Path, on_progress: OnProgress | None = None) -> Path:
    """The local path of a dataset, or of a source of photos: of a remote one all files are fetched.

    `on_progress(files done, files)`. Raises GeotuneError for what is not there or cannot be read.
    """
    url = url_of(source)
    if url is None:
        return Path(source).expanduser()
    if url.startswith("file://"):
        return Path(url.removeprefix("file://"))
    if _is_file(url):
        return _one_file(url)
    copy = dataset_copy(url)
    return copy.folder if copy else _all_files(url, on_progress)


def dataset_at(path: str | Path) -> tuple[Path, Copy | None]:
    """The local folder of a dataset that a path or a URL names, and what it is a copy of. Raises GeotuneError."""
    url = url_of(path)
    if url is None or url.startswith("file://"):
        folder = local(path)
        return folder, Copy.at(folder)
    copy = dataset_copy(url)
    if copy is None:
        raise GeotuneError(
            f"{url}: no dataset.json there", f"make a dataset of it: geotune data import {url} data/NAME"
        )
    return copy.folder, copy


def dataset_copy(url: str) -> Copy | None:
    """A copy of a remote dataset, `dataset.json` alone as long as nothing else is asked of it; None for no dataset.

    Without a network the copy that was used last is taken, with a warning. Raises GeotuneError.
    """
    try:
        content = read(join(url, "dataset.json"))
    except FileNotFoundError:
        return None
    except GeotuneError as error:
        last = Copy.last(url)
        if last is None or not (last.folder / "dataset.json").is_file():
            raise
        log.warning("%s; using what was fetched of it before", error.problem)
        return last
    copy = Copy.make(url, content)
    if not (copy.folder / "dataset.json").is_file():
        write_whole(copy.folder / "dataset.json", content)
    if copy.folder not in _checked:  # once a process: it asks for each file
        copy.drop_changed()
        _checked.add(copy.folder)
    return copy


def _is_file(url: str) -> bool:
    return "?" in url or PurePosixPath(name_of(url)).suffix.lower() in WANTED


def _one_file(url: str) -> Path:
    copy = Copy.make(url, single=True)
    copy.drop_changed()
    try:
        return copy.fetch(name_of(url))
    except FileNotFoundError:
        raise GeotuneError(f"{url}: no such file there", "look for it in a browser; capital letters count") from None


def _all_files(url: str, on_progress: OnProgress | None) -> Path:
    fs, root = file_system(url)
    fs.invalidate_cache()
    try:
        found = patiently(url, lambda: list(fs.find(root, maxdepth=DEEPEST)))
    except FileNotFoundError:
        found = []
    names = sorted(name for path in found if (name := _relative(path, root, url)))
    if not names:
        raise GeotuneError(
            f"{url}: nothing to read there: no dataset.json, and no list of photos, tables or archives",
            "give a dataset's folder, or a file such as https://…/photos.parquet",
        )
    copy = Copy.make(url)
    copy.drop_changed()
    copy.fetch_all(names, on_progress)
    for path in [path for path in copy.folder.rglob("*") if path.is_file()]:
        if path.relative_to(copy.folder).as_posix() not in names:  # is no more there
            path.unlink()
    return copy.folder


def _relative(path: str, root: str, url: str) -> str:
    """The name below the folder of a file that is wanted and can be one here, else ""."""
    if not path.startswith(root.rstrip("/") + "/") or "?" in path or "#" in path:
        return ""
    name = path[len(root.rstrip("/")) + 1 :]
    name = unquote(name) if url.startswith("http") else name
    parts = PurePosixPath(name).parts
    safe = not name.startswith("/") and not {"..", "."} & set(name.split("/")) and "\0" not in name and "\\" not in name
    return name if parts and safe and PurePosixPath(name).suffix.lower() in WANTED else ""
