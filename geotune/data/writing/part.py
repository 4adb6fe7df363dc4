"""A hidden folder beside a dataset's place, in which it grows: it takes the name only when everything is there."""

import os
import shutil
import socket
import uuid
from contextlib import suppress
from pathlib import Path

from geotune.errors import GeotuneError


class PartFolder:
    """The hidden folder for one dataset and one writer. What a killed writer left is swept by the next."""

    def __init__(self, out: Path) -> None:
        self.path = out.parent / f"{_prefix(out)}{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._out = out
        self._made_parents: list[Path] = []

    def make(self) -> None:
        """Make it, with the folders above. Raises GeotuneError where that cannot be."""
        out = self._out
        try:
            self._made_parents = [p for p in (out.parent, *out.parent.parents) if not p.exists()]
            out.parent.mkdir(parents=True, exist_ok=True)
            _sweep(out)
            self.path.mkdir()
        except OSError as error:
            self.remove()
            above = next(parent for parent in out.parents if parent.exists())
            why = str(error.strerror) if above.is_dir() else f"{above} is a file"
            raise GeotuneError(f"{out}: cannot be made ({why})", "name another folder") from None

    def become(self, out: Path, *, last: str) -> None:
        """Take the name `out`, at which nothing or an empty folder stands; `last` is what makes it whole."""
        if not (out.is_dir() and _stood_in(out)):
            with suppress(OSError):  # a mount point, a link to a folder
                self.path.rename(out)
                return
        moved: list[Path] = []
        try:
            for made in sorted(self.path.iterdir(), key=lambda path: path.name == last):
                moved.append(out / made.name)
                shutil.move(made, moved[-1])
        except BaseException:  # an empty folder was there, and is again
            for path in moved:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            raise

    def remove(self) -> None:
        """Remove what is left of it, and the folders made for it where nothing lies in them."""
        shutil.rmtree(self.path, ignore_errors=True)
        for parent in self._made_parents:
            with suppress(OSError):
                parent.rmdir()


def _stood_in(folder: Path) -> bool:
    """Whether the shell stands in a folder: it would be left in a removed one if another took its place."""
    try:
        return Path.cwd().samefile(folder)
    except OSError:
        return False


def _prefix(out: Path) -> str:
    return f".{out.name}.part-"


def _sweep(out: Path) -> None:
    """Remove what killed writers of the same dataset left on this machine."""
    prefix = f"{_prefix(out)}{socket.gethostname()}-"
    for left in out.parent.iterdir():
        pid = left.name.removeprefix(prefix).partition("-")[0]
        if left.name.startswith(prefix) and pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


def _alive(pid: int) -> bool:
    if os.name == "nt":  # os.kill would end the process there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
