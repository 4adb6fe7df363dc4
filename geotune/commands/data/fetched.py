"""A source that `geotune data import` is given, as files on this machine."""

import shlex
from pathlib import Path

from geotune.commands.data.common import progress
from geotune.errors import GeotuneError


def fetched(source: str, *, in_place: bool) -> Path:
    """Where the source lies on this machine, once it does."""
    from geotune.data.diagnose import TABLE_SUFFIXES
    from geotune.data.remote.remote import local, url_of

    if url_of(source) is None:
        return local(source)
    if in_place:
        raise GeotuneError(
            f"--in-place: {source} lies elsewhere, and its copy in the cache may be cleared",
            "leave --in-place out; or download the shards into a folder of your own",
        )
    if Path(source).suffix.lower() in TABLE_SUFFIXES:
        raise GeotuneError(
            f"{source}: a table alone, its photos are not fetched with it",
            f"give the folder that holds both: geotune data import {shlex.quote(source.rpartition('/')[0])} OUT",
        )
    with progress() as tell:
        path = local(source, lambda done, of: tell("fetching files", done, of))
    if (path / "dataset.json").is_file():
        raise GeotuneError(f"{source}: a dataset already", f"use it: geotune search data={shlex.quote(source)}")
    return path
