"""A source of photos becomes a dataset: taken in once, cleaned, divided, and only then written."""

import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from geotune.config import Settings
from geotune.data.audit.audit import audit
from geotune.data.audit.flattery import Flattery
from geotune.data.catalogue import kind_of
from geotune.data.clean import CleanSettings, Finding, clean
from geotune.data.diagnose import TABLE_SUFFIXES
from geotune.data.importing.cases import by_id, counts, finding_of, reasons, too_near, with_reasons
from geotune.data.importing.intake import Taking, Tell, taken_in
from geotune.data.importing.prepare import JPEG_QUALITY, SMALLEST_PX
from geotune.data.importing.shelve import write
from geotune.data.known import Known
from geotune.data.sources.files import files_below
from geotune.data.sources.kinds import Source, source_of
from geotune.data.sources.table import TableSource
from geotune.data.sources.why import NO_GPS, why
from geotune.data.split import SPLITS, SplitSettings, divide, groups_of
from geotune.data.split.settings import metres
from geotune.data.words import counted
from geotune.data.writing.writer import DatasetWriter, refuse_existing
from geotune.errors import GeotuneError
from geotune.geo.extent import REGION_RADIUS_KM, extent_of
from geotune.geo.metrics import Extent
from geotune.geo.sphere import distance_km, geometric_median

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ImportSettings", "Imported", "import_photos", "source_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.str_]
Report = Callable[..., Any]
"""`write_report` of geotune.report.cleaning, which stands on a floor above this one."""

CLEANING = "looking for faults"
TOLD_BY_CAMERA = ("burst", "session", "camera")
"""Groups that come of camera and time; others are columns of the source."""
FEW_STRAYS = 3
"""So many photos far from all others, of ten times as many or more, are strays."""


class ImportSettings(Settings):
    """How photos become a dataset."""

    source: Source
    """Where the photos are."""
    max_side: int = Field(default=512, ge=SMALLEST_PX, le=8192)
    """Longest side of a stored photo in pixels; larger ones are scaled down."""
    quality: int = Field(default=JPEG_QUALITY, ge=30, le=100)
    """JPEG quality of a stored photo."""
    columns: str = "all"
    """Which of the source's other columns are kept: all, none, or their names."""
    in_place: bool = False
    """Use .msg shards where they lie: nothing is copied."""
    clean: CleanSettings = CleanSettings()
    """What counts as a fault."""
    split: SplitSettings = SplitSettings()
    """How photos are divided into train, valid and test."""

    @property
    def taking(self) -> Taking:
        """What of it decides how each photo is taken in."""
        group = "" if self.split.group in ("", *TOLD_BY_CAMERA) else self.split.group
        return Taking(self.max_side, self.quality, self.clean.min_side, self.columns, group, self.in_place)

    @property
    def recorded(self) -> dict[str, Any]:
        """What dataset.json keeps of it, for photos that are added later."""
        return self.model_dump(mode="json", include={"max_side", "quality", "columns", "in_place", "clean"})


@dataclass(frozen=True)
class Imported:
    """What came of an import: `left_out` counts reasons, `examples` has the first photo of each."""

    out: Path
    left_out: Counter[str]
    examples: dict[str, str]
    noted: Counter[str] = field(default_factory=Counter)
    """Faults of photos that were kept all the same."""
    columns: Sequence[str] = ()
    """The source's other columns that are kept."""
    own_splits: bool = False
    """Whether the source divides its photos itself, and that was not asked for."""
    added: Counter[str] = field(default_factory=Counter)
    """Photos by split."""
    on_places: str = ""
    """What the user has to know of the places that the source names, or ""."""
    flattery: Sequence[Flattery] = ()
    """Why a result on the split would look better than it is."""


def import_photos(
    settings: ImportSettings, out: Path, *, on_progress: Tell | None = None, report: Report | None = None
) -> Imported:
    """Make the dataset `out` of a source; memory holds the catalogue and a few dozen photos, however many there are.

    `on_progress(stage, done, of)` is called with `of` None while it is unknown; `report` writes the cleaning report.
    Raises GeotuneError, with nothing left behind, where nothing can be imported or `out` is not free.
    """
    out = out.expanduser()
    tell: Tell = on_progress or (lambda stage, done, of: None)
    refuse_existing(out, settings.source.path)
    with (
        DatasetWriter(out, name=out.absolute().name) as writer,
        taken_in(settings.source, settings.taking, writer.part, tell, known := Known()) as intake,
    ):
        catalogue = intake.catalogue
        cases = [finding_of(item) for item in intake.left_out]
        if not len(catalogue):
            raise _nothing(settings.source, cases)
        tell(CLEANING, 0, None)
        lat, lon = (catalogue[name].to_numpy(np.float64) for name in ("lat", "lon"))
        cleaning = clean(catalogue, settings.clean, _extent(lat, lon))
        findings = list(cleaning.findings)
        kept = np.flatnonzero(cleaning.keep)
        try:
            if not len(kept):
                raise _nothing(settings.source, [*cases, *(found for found in findings if found.left_out)])
            split, place, question, own_splits = _divided(catalogue.iloc[kept], settings.split)
        except GeotuneError as error:
            raise with_reasons(error, [*cases, *(found for found in findings if found.left_out)]) from None
        dropped = kept[split == ""]
        cases += [too_near(catalogue, row, settings.split) for row in dropped]
        of_row = np.full(len(catalogue), "", "<U5")
        of_row[kept] = split
        in_split = split != ""
        if settings.split.by != "block":
            known.learn_places(zip(catalogue["place"].iloc[kept[in_split]], place[in_split], strict=True))
        write(intake, kept[in_split], split[in_split], place[in_split], writer.splits, tell)
        writer.extent = extent_of(lat[kept], lon[kept])
        writer.split = {**settings.split.model_dump(mode="json"), "question": question}
        writer.settings = settings.recorded
        if not by_camera(settings.split):
            known.cameras = {}  # no hash that is of no use
        writer.known = known
        writer.left_out, examples = counts([*cases, *(found for found in findings if found.left_out)])
        if report:
            report(writer.part, catalogue, findings, cases, by_id(intake), splits=of_row)
    noted, _ = counts(found for found in findings if not found.left_out)
    added = Counter({name: int((of_row == name).sum()) for name in SPLITS})
    divided = catalogue.iloc[kept[in_split]].assign(split=split[in_split], place=place[in_split].astype(str))
    told = _on_places(catalogue["place"].iloc[kept].to_numpy(str), settings.split)
    flattering = audit(divided, writer.split).flattery
    return Imported(out, writer.left_out, examples, noted, intake.columns, own_splits, added, told, flattering)


def _extent(lat: Floats, lon: Floats) -> Extent:
    """The extent of photos that are not clean yet: a few strays among few photos make no world of a town."""
    strays = len(lat) - int((distance_km(lat, lon, *geometric_median(lat, lon)) <= REGION_RADIUS_KM).sum())
    few = min(FEW_STRAYS, len(lat) // 10)
    return "region" if strays <= few else extent_of(lat, lon)


def _divided(kept: "pd.DataFrame", settings: SplitSettings) -> tuple[Texts, Ints, str, bool]:
    """Split and place of each photo, the question that this asks, and whether the source had an answer of its own."""
    lat, lon = (kept[name].to_numpy(np.float64) for name in ("lat", "lon"))
    places, given = (kept[name].to_numpy(str) for name in ("place", "split"))
    division = divide(
        lat, lon, settings, place=places if (places != "").any() else None,
        given=given if (given != "").any() else None, group=groups_of(kept, settings),
    )  # fmt: skip
    own = settings.by != "given" and {"train", "test"} <= set(map(str.lower, np.unique(given)))
    return division.split, division.place, division.question, own


def by_camera(settings: SplitSettings) -> bool:
    """Whether the cameras of photos say which belong together."""
    return settings.group in TOLD_BY_CAMERA or kind_of(settings.group) == "camera"


def _on_places(place: Texts, settings: SplitSettings) -> str:
    """What the user has to know of places that the source names."""
    bare = int((place == "").sum())
    if bare == len(place):
        return ""
    if settings.by == "block":
        return "The source names places: --split block does not keep them whole, --split place does."
    if bare:
        return (
            f"{bare:,} of {counted(len(place), 'photo')} name no place: each counts to that of the nearest photo "
            f"within {metres(settings.radius)} that does, or to one made by position."
        )
    return ""


def _nothing(source: Source, cases: list[Finding]) -> GeotuneError:
    found = reasons(cases)
    problem = f"{source.path}: no photo with a position" + (f"; found were:{found}" if found else ", it is empty")
    if isinstance(source, TableSource):
        root = source.images or source.path.parent
        return GeotuneError(problem, f"image names were sought in {root}; name another folder with --images FOLDER")
    tables = [path for path in files_below(source.path, TABLE_SUFFIXES) if path.parent == source.path]
    if tables:
        return GeotuneError(problem, f"there is a table in it: geotune data import {shlex.quote(str(tables[0]))} OUT")
    number, _ = counts(cases)
    reason = NO_GPS if NO_GPS in number else next(iter(dict(number.most_common())), "")
    return GeotuneError(problem, why(reason) or "give a folder of JPEG photos with GPS in EXIF, or a CSV file")
