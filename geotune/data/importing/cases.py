"""Photos that were left out, and why: the cases of a cleaning report, counted for the screen."""

import csv
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from geotune.data.clean import Finding
from geotune.data.importing.intake import Intake
from geotune.data.sources.found import LeftOut
from geotune.data.split import SplitSettings
from geotune.data.split.settings import metres
from geotune.data.spreadsheet import unquoted
from geotune.errors import GeotuneError

if TYPE_CHECKING:
    import pandas as pd


def finding_of(item: LeftOut) -> Finding:
    """What was left out while it was taken in, as a case of the report."""
    return Finding(item.id, item.reason, left_out=True, detail=item.detail)


def too_near(catalogue: "pd.DataFrame", row: int, settings: SplitSettings) -> Finding:
    """A photo that the split leaves out, as a case of the report."""
    photo = catalogue.iloc[int(row)]
    reason = f"within {metres(settings.gap)} of a held-out photo (--gap)" if settings.gap else "belongs to two splits"
    return Finding(photo["id"], reason, left_out=True, detail="", lat=float(photo["lat"]), lon=float(photo["lon"]))


def counts(cases: Iterable[Finding]) -> tuple[Counter[str], dict[str, str]]:
    """How often each reason came, and its first photo."""
    number: Counter[str] = Counter()
    first: dict[str, str] = {}
    for case in cases:
        number[case.reason] += 1
        first.setdefault(case.reason, case.id)
    return number, first


def reasons(cases: Iterable[Finding]) -> str:
    """A line for each reason, the most frequent first, as it stands in an error."""
    number, first = counts(cases)
    return "".join(f"\n    {n} {reason} ({first[reason]})" for reason, n in number.most_common())


def with_reasons(error: GeotuneError, cases: Iterable[Finding]) -> GeotuneError:
    """The same error, saying what was left out too."""
    found = reasons(cases)
    said = not found or found in error.problem
    return GeotuneError(error.problem + ("" if said else f"; left out were:{found}"), error.hint)


def old_cases(table: Path) -> list[Finding]:
    """What imports left out, as the cleaning.csv of a dataset tells; nothing where that is gone or was changed."""
    try:
        with table.open(encoding="utf-8", newline="") as stream:
            return [_case(row) for row in csv.DictReader(stream) if row["left_out"] == "yes"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error):
        return []


def _case(row: dict[str, str]) -> Finding:
    text = {name: unquoted(value) for name, value in row.items()}
    lat, lon = (float(row[name] or "nan") for name in ("lat", "lon"))
    return Finding(text["id"], text["reason"], True, text["detail"], text["other"], lat, lon)


def by_id(intake: Intake) -> Callable[[str], bytes | None]:
    """The picture of a photo of the catalogue by its id, or None."""
    row_of: dict[str, int] = {}

    def picture(identity: str) -> bytes | None:
        if not row_of:
            row_of.update(zip(intake.catalogue["id"], range(len(intake.catalogue)), strict=True))
        return intake.image(row_of[identity]) if identity in row_of else None

    return picture
