"""A folder that is written whole or not at all."""

import os
import shutil
import tempfile
from pathlib import Path

from safetensors import SafetensorError

from geotune.errors import DiskError, GeotuneError

MEND = "make room on that disk, or choose another folder, and give the same command again: it goes on from there"


class new_folder:  # noqa: N801 - used like a function
    """Context manager: a temporary folder beside `folder` that takes its name when the block ends without an error.

    A kill at any instant leaves either no `folder` or a whole one; a folder of that name is replaced. Where the disk is
    full, or cannot be written, DiskError names the folder and the bytes that it `needed`, and nothing is left.
    """

    def __init__(self, folder: Path, needed: int = 0) -> None:
        self.folder, self.needed = folder.absolute(), needed

    def __enter__(self) -> Path:
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self.fresh = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}.", suffix=".tmp", dir=self.folder.parent))
        except OSError as error:
            raise GeotuneError(
                f"{self.folder}: cannot be written ({error.strerror})", "Choose a folder that you may write to."
            ) from None
        return self.fresh

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        try:
            if error is None:
                self._finish()
        except OSError as late:  # some file systems say only now that they are full
            error = late
        if error is not None:
            shutil.rmtree(self.fresh, ignore_errors=True)
        if isinstance(error, OSError | SafetensorError):
            raise DiskError(f"{self.folder}: cannot be written ({self._reason(error)})", MEND) from None

    def _finish(self) -> None:
        umask = os.umask(0)
        os.umask(umask)
        self.fresh.chmod(0o777 & ~umask)  # mkdtemp's folders are for the owner alone
        for path in self.fresh.iterdir():
            flush(path)
        old = self.fresh.with_suffix(".old")
        if self.folder.exists():
            self.folder.rename(old)
        self.fresh.rename(self.folder)
        flush(self.folder.parent)
        shutil.rmtree(old, ignore_errors=True)

    def _reason(self, error: OSError | SafetensorError) -> str:
        reason = error.strerror if isinstance(error, OSError) else str(error).rpartition("error: ")[2]
        if not self.needed:
            return str(reason)
        try:
            free = f", {shutil.disk_usage(self.folder.parent).free:,} are free there"
        except OSError:
            free = ""
        return f"{reason}: it takes {self.needed:,} bytes{free}"


def flush(path: Path) -> None:
    """Have the disk hold a file, or a folder's list of names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
