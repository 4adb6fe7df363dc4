"""The folder of a store: made for as many rows as a split has photos, found again, begun anew after a reboot.

    about.json   what it is, written last: without it the folder is half made
    pixels       (and `where`, as JPEG) the squares
    state        which rows are filled; with claims.lock and claimers/, who is filling which
    complete     all rows are, and they are on the disk
    used         held by those who use it

Until it is complete only the system's memory is known to have what was written: after a reboot of the machine nothing
of it is believed, which the boot's name in about.json tells.
"""

import os
import shutil
import subprocess
import sys
import weakref
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from geotune.data.cache.claims import Claims
from geotune.data.cache.entries import cache_root, describe, description, hold, locked, remove, unusable
from geotune.data.cache.room import make_room
from geotune.data.cache.tiers import Jpeg, Raw, Tier

TIERS = ("raw", "jpeg")


@dataclass(eq=False)
class Stored:
    """An opened store. `claims` is None where all rows are filled for good."""

    folder: Path
    rows: int
    tier: str
    pixels: Tier
    claims: Claims | None

    def settle(self) -> None:
        """All rows are filled: see that they are on the disk, and say so."""
        try:
            self.pixels.settle()
            (self.folder / "complete").touch()
        except OSError:
            return  # the next one that reads it tries again


def open_stored(name: str, rows: int, size: int, **about: object) -> Stored | None:
    """The store `name` under cache_root()/photos, made where there is none; None where there is no room for it.

    `about` goes into about.json. Raises GeotuneError where the cache cannot be written.
    """
    folder = cache_root() / "photos" / name
    if stored := _finished(folder, rows, size):
        return stored
    with locked():
        try:
            known = description(folder)
            if not _usable(folder, known) and folder.exists() and not remove(folder):
                folder = folder.with_name(f"{name}-{boot_id()[:8]}")  # another machine fills it, on a shared disk
                known = description(folder)
            if not _usable(folder, known):
                remove(folder) if folder.exists() else None
                number = make_room([Raw.bytes(rows, size), Jpeg.bytes(rows, size)])
                if number is None:
                    return None
                _lay_out(folder, rows, size, TIERS[number], about)
            held = hold(folder)
            return None if held is None else _opened(folder, rows, size, held)
        except OSError as error:
            raise unusable(folder, error) from None


def _usable(folder: Path, about: dict[str, object]) -> bool:
    return bool(about) and ((folder / "complete").exists() or about.get("boot") == boot_id())


def _lay_out(folder: Path, rows: int, size: int, tier: str, about: dict[str, object]) -> None:
    folder.mkdir(parents=True)
    try:
        Claims.lay_out(folder, rows)
        if tier == "raw":
            Raw.lay_out(folder, rows, size)
        else:
            Jpeg.lay_out(folder, rows)
        (folder / "used").touch()
        needed = Raw.bytes(rows, size) if tier == "raw" else Jpeg.bytes(rows, size)
        describe(folder, what="photos", **about, px=size, photos=rows, tier=tier, bytes=needed, boot=boot_id())
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _finished(folder: Path, rows: int, size: int) -> Stored | None:
    """The store where it is complete, as most are: without the lock, and even where nothing can be written."""
    if not (folder / "complete").exists():
        return None
    held = hold(folder)
    if held is None:
        return None
    if not (folder / "complete").exists() or not description(folder):  # removed meanwhile, and being made again
        os.close(held)
        return None
    return _opened(folder, rows, size, held)


def _opened(folder: Path, rows: int, size: int, held: int) -> Stored:
    """The store in a folder that is held: by whoever has the result, from now on."""
    try:
        tier = str(description(folder).get("tier"))
        claims = None if (folder / "complete").exists() else Claims(folder)
        locked_ = claims.locked if claims else None
        pixels: Tier = Raw(folder, rows, size) if tier == "raw" else Jpeg(folder, rows, size, locked_)
        stored = Stored(folder, rows, tier, pixels, claims)
    except BaseException:
        os.close(held)
        raise
    weakref.finalize(stored, os.close, held)
    return stored


@cache
def boot_id() -> str:
    """A name for the time since this machine was started; "" on systems that have none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        pass
    if sys.platform != "darwin":
        return ""
    asked = subprocess.run(["sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True, check=False)
    return asked.stdout.strip()
