"""`geotune data cache`: what lies in the cache, and room made there."""

import time
from typing import TYPE_CHECKING

import click

from geotune.errors import GeotuneError

if TYPE_CHECKING:
    from geotune.data.cache.entries import Entry


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--clear", is_flag=True, help="Remove the entries NAME..., or all.")
def command(names: tuple[str, ...], clear: bool) -> None:
    """Show what has been decoded, computed and fetched on this machine.

    All of it can be made again. $GEOTUNE_CACHE says where it lies, $GEOTUNE_CACHE_LIMIT how much it may take (such as
    50GB; half of the disk's room otherwise): what was not used for longest goes first, never what is in use.

    \b
    geotune data cache
    geotune data cache --clear photos/3f2a features
    geotune data cache --clear all
    """
    from geotune.data.cache.entries import cache_root, entries
    from geotune.data.cache.room import limit

    known = entries()
    chosen = _chosen(known, names)
    if clear:
        if not names:
            raise GeotuneError("--clear without a name", "geotune data cache --clear all, or the names that it lists")
        _clear(chosen)
        return
    total = sum(entry.size for entry in known)
    click.echo(f"{cache_root()}: {_bytes(total)} of at most {_bytes(limit(total))}")
    rows = [("name", "what", "dataset", "px", "filled", "size", "last use")] + [_row(entry) for entry in chosen]
    if len(rows) > 1:
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        for row in rows:
            cells = [cell.rjust(width) if k in (3, 4, 5) else cell.ljust(width)
                     for k, (cell, width) in enumerate(zip(row, widths, strict=True))]  # fmt: skip
            click.echo(("  " + "  ".join(cells)).rstrip())


def _chosen(known: "list[Entry]", names: tuple[str, ...]) -> "list[Entry]":
    """The entries that names stand for: "all", a kind, or the beginning of a name. Raises GeotuneError for none."""
    if not all(name.strip() for name in names):
        raise GeotuneError("an empty name stands for no entry", "geotune data cache lists the names; all are: all")
    if not names or "all" in names:
        return known
    chosen = []
    unknown = []
    for name in names:
        found = [entry for entry in known if entry.name.startswith(name) or entry.folder.name.startswith(name)]
        chosen += [entry for entry in found if entry not in chosen]
        unknown += [] if found else [name]
    if unknown:
        raise GeotuneError(f"nothing in the cache is called {', '.join(unknown)}", "geotune data cache lists the names")
    return chosen


def _clear(chosen: "list[Entry]") -> None:
    from geotune.data.cache.entries import locked, remove

    freed, kept = 0, []
    with locked():
        for entry in chosen:
            if remove(entry.folder):
                freed += entry.size
            else:
                kept.append(entry)
    click.echo(f"removed {len(chosen) - len(kept)} of {len(chosen)}, {_bytes(freed)}")
    for entry in kept:
        click.echo(f"  kept {entry.name}: in use by a running process")


def _row(entry: "Entry") -> tuple[str, ...]:
    about = entry.about
    what = " ".join(str(about[key]) for key in ("what", "backbone", "tier") if about.get(key)) or "unknown"
    split = f" {about['split']}" if about.get("split") else ""
    dataset = str(about.get("dataset") or about.get("url") or "")
    filled = entry.filled
    return (
        entry.name,
        what + (f" view {about['view']}" if about.get("view") else ""),
        dataset + split,
        str(about.get("px", "")),
        "" if filled is None else f"{filled:.0%}",
        _bytes(entry.size),
        "in use" if entry.in_use else _ago(entry.used),
    )


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def _ago(when: float) -> str:
    if not when:
        return ""
    minutes = (time.time() - when) / 60
    if minutes < 60:
        return f"{minutes:.0f} min ago"
    return f"{minutes / 60:.0f} h ago" if minutes < 48 * 60 else f"{minutes / 1440:.0f} days ago"
