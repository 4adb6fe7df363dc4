"""What a user did wrong, and the mend. Anything else that is raised is a bug of ours."""

import errno
from collections.abc import Mapping, Sequence


class GeotuneError(Exception):
    """One mistake of a user: what is wrong, with the value, and how to mend it.

    The command line prints it without a traceback and exits with code 2.
    """

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.problem}\n  {self.hint}" if self.hint else self.problem

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.problem, self.hint)


class DiskError(GeotuneError):
    """A disk is full or cannot be written: not the fault of what was to be written, and all else would fail too."""


DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
MEND = "make room there, and give the same command again; a search goes on with geotune resume RUN"


def disk_error(error: BaseException | None) -> DiskError | None:
    """The fault of a disk behind an error, as a user is told it; None where there is none."""
    while error is not None:
        if isinstance(error, DiskError):
            return error
        if isinstance(error, OSError) and error.errno in DISK_FAULTS:
            return DiskError(f"{error.filename or 'a file'}: cannot be written ({error.strerror})", MEND)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None


class SettingsError(GeotuneError):
    """Every fault of a set of settings at once, as (dotted key, what is wrong with it).

    `where` tells of some keys where they stand, as in `space.yaml:12` (geotune.config.places).
    """

    def __init__(
        self, problems: Sequence[tuple[str, str]], source: str = "", where: Mapping[str, str] | None = None
    ) -> None:
        self.problems = list(problems)
        self.source = source
        self.where = {key: place for key, place in (where or {}).items() if any(key == at for at, _ in self.problems)}
        columns = [(self.where.get(key, ""), key, text) for key, text in self.problems]
        place_width = max((len(place) for place in self.where.values()), default=-2)
        key_width = max((len(key) for _, key, _ in columns), default=0)
        count = f"{len(self.problems)} problem{'s' * (len(self.problems) != 1)}"
        lines = [f"  {place:<{place_width + 2}}{key:<{key_width}}  {text}" for place, key, text in columns]
        super().__init__("\n".join([f"{count} in {source}" if source else count, *lines]))

    def __reduce__(self) -> tuple[type, tuple[list[tuple[str, str]], str, dict[str, str]]]:  # type: ignore[override]
        return type(self), (self.problems, self.source, self.where)
