"""New photos come into a dataset that exists: every old photo keeps its split, and training sees none held out."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from geotune.config import build
from geotune.data.catalogue import catalogue_of, kind_of
from geotune.data.clean import Finding, clean
from geotune.data.dataset import Dataset, Split, open_dataset
from geotune.data.importing.cases import by_id, counts, finding_of, old_cases
from geotune.data.importing.importer import CLEANING, TOLD_BY_CAMERA, Imported, ImportSettings, Report
from geotune.data.importing.intake import Intake, Tell, taken_in
from geotune.data.importing.shelve import write
from geotune.data.known import Known
from geotune.data.sources.kinds import Source
from geotune.data.split import SPLITS, Joined, SplitSettings, groups_of, join, ties
from geotune.data.writing.append import alone, publish, writers_of
from geotune.data.writing.part import PartFolder
from geotune.data.writing.writer import REPORT, unwritable
from geotune.errors import GeotuneError
from geotune.geo.extent import extent_of

if TYPE_CHECKING:
    import pandas as pd

Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.str_]

OLD = "reading the dataset"


def add_photos(
    source: Source,
    out: Path,
    *,
    in_place: bool = False,
    on_progress: Tell | None = None,
    report: Report | None = None,
) -> Imported:
    """Add a source's photos to the dataset `out`, by the settings that it was made with.

    Until the last moment, when dataset.json is replaced, the dataset is the old one. Raises GeotuneError where `out` is
    no dataset that can be extended, or is being extended; then nothing changes.
    """
    tell: Tell = on_progress or (lambda stage, done, of: None)
    dataset = open_dataset(out)
    settings = settings_of(dataset, source, in_place=in_place)
    room = PartFolder(dataset.folder)
    with alone(dataset.folder):
        before = (dataset.folder / "dataset.json").read_bytes()
        room.make()
        try:
            return _add(dataset, settings, room.path, before, tell, report)
        except OSError as error:
            raise unwritable(dataset.folder, error) from None
        finally:
            room.remove()


def settings_of(dataset: Dataset, source: Source, *, in_place: bool) -> ImportSettings:
    """What a dataset was made with, for one more source. Raises GeotuneError for one that another command made."""
    stored, split = dataset.description.settings, dict(dataset.description.split)
    split.pop("question", None)
    if "radius" not in split:
        raise GeotuneError(
            f"{dataset.folder}: not made by geotune data import, so there is no telling how to divide newcomers",
            "make a dataset of all photos: geotune data import PHOTOS OUT",
        )
    group, links = split.get("group"), any(part.links for part in dataset.description.splits.values())
    if group and links:
        raise GeotuneError(
            f"{dataset.folder}: no {group} is divided in it (--group), but its photos lie in shards of others, which "
            "do not say theirs as the import understood it",
            f"make a dataset of all photos, old and new, in one folder: geotune data import SHARDS OUT --group {group}",
        )
    given = {**stored, "in_place": in_place or (bool(stored.get("in_place")) and source.name == "shards")}
    return build(ImportSettings, {**given, "source": source.model_dump(), "split": split})


def _add(
    dataset: Dataset, settings: ImportSettings, part: Path, before: bytes, tell: Tell, report: Report | None
) -> Imported:
    import pandas as pd

    old = catalogue_of(dataset, lambda done, of: tell(OLD, done, of), decode=False)
    known = dataset.description.known.model_copy(deep=True)
    _refuse_unknown_groups(dataset, settings, old, known)
    keeps_cameras = bool(known.cameras) or settings.split.group in TOLD_BY_CAMERA
    how = replace(settings.taking, adding=True)
    with taken_in(settings.source, how, part, tell, known, int(old["camera"].max())) as intake:
        cases = [finding_of(item) for item in intake.left_out]
        new = intake.catalogue
        new["id"] = _unlike(new["id"], old["id"])
        tell(CLEANING, 0, None)
        both = pd.concat([old, new], ignore_index=True)
        cleaning = clean(both, settings.clean, dataset.extent, np.arange(len(both)) < len(old))
        ids = set(old["id"])
        findings = [replace(f, left_out=False) if f.left_out and f.id in ids else f for f in cleaning.findings]
        kept = np.flatnonzero(cleaning.keep[len(old) :])
        split, place, reason = _joined(old, new.iloc[kept], both, settings.split, known)
        rows = split != ""
        cases += [_case(new.iloc[kept[i]], reason[i]) for i in np.flatnonzero(~rows)]
        left_out, examples = counts([*cases, *(f for f in findings if f.left_out)])
        if rows.any():
            writers = writers_of(dataset, part)
            with writers["train"], writers["valid"], writers["test"]:
                write(intake, kept[rows], split[rows], place[rows], writers, tell)
            of_row = np.concatenate([old["split"].to_numpy(str), np.full(len(new), "", "<U5")])
            of_row[len(old) + kept] = split
            if report:
                before_that = old_cases(dataset.folder / REPORT[0])
                report(part, both, findings, [*before_that, *cases], _pictures(dataset, intake), splits=of_row)
            if settings.split.by != "block":
                known.learn_places(zip(new["place"].iloc[kept[rows]], place[rows], strict=True))
            if not keeps_cameras:
                known.cameras = {}
            every = both.iloc[np.concatenate([np.arange(len(old)), len(old) + kept[rows]])]
            extent = "world" if dataset.extent == "world" else extent_of(every["lat"], every["lon"])
            publish(dataset, writers, left_out, part, before, known=known, extent=extent)
    fresh = [f for f in findings if not f.left_out and (f.id not in ids or (f.other and f.other not in ids))]
    added = Counter({name: int((split == name).sum()) for name in SPLITS})
    return Imported(dataset.folder, left_out, examples, counts(fresh)[0], intake.columns, False, added)


def _refuse_unknown_groups(dataset: Dataset, settings: ImportSettings, old: "pd.DataFrame", known: Known) -> None:
    """Raise GeotuneError where it cannot be told to which old photos a newcomer is tied."""
    group, again = settings.split.group, "make a dataset of all photos, old and new: geotune data import PHOTOS OUT"
    if settings.taking.group and not (old["group"] != "").any():
        raise GeotuneError(
            f"{dataset.folder}: no {group} is divided in it (--group), but its photos do not say theirs (--columns)",
            again,
        )
    by_camera = group in TOLD_BY_CAMERA or kind_of(group) == "camera"
    if by_camera and not known.cameras and (old["camera"] != 0).any():
        raise GeotuneError(
            f"{dataset.folder}: no {group} is divided in it (--group), but it knows its cameras by a number alone: "
            "which of them took a new photo cannot be told",
            f"{again} --group {group}",
        )


def _joined(
    old: "pd.DataFrame", new: "pd.DataFrame", both: "pd.DataFrame", settings: SplitSettings, known: Known
) -> Joined:
    """Split and place of the newcomers that are clean; `new` has the rows of those among all newcomers of `both`."""
    if not len(new):
        return Joined(np.zeros(0, "<U5"), np.zeros(0, np.int64), np.zeros(0, object))
    (lat, lon), (old_lat, old_lon) = ([x[name].to_numpy(np.float64) for name in ("lat", "lon")] for x in (new, old))
    old_split = old["split"].to_numpy(str)
    mine = tied = None
    if (groups := groups_of(both, settings)) is not None:
        mine = groups[len(old) :][new.index]
        tied = ties(mine, groups[: len(old)], old_split)
    return join(
        lat, lon, old_lat, old_lon, old["place"].to_numpy(np.int64), old_split, settings,
        given=new["split"].to_numpy(str) if settings.by == "given" else None, group=mine, tied=tied,
        name=new["place"].to_numpy(str), known=np.array([known.place(name) for name in new["place"]], np.int64),
    )  # fmt: skip


def _unlike(new: "pd.Series[str]", old: "pd.Series[str]") -> "pd.Series[str]":
    """Ids of newcomers, changed where an old photo has the same: IMG_0001.jpg is a name that every camera gives."""
    known, left, ids = set(old), Counter(new), []
    for name in new:
        left[name] -= 1
        free, number = name, 2
        while free in known or (free != name and left[free] > 0):  # taken by one that comes later
            free, number = f"{name} ({number})", number + 1
        known.add(free)
        ids.append(free)
    return new.__class__(ids, index=new.index, dtype=new.dtype)


def _case(photo: "pd.Series[float]", reason: str) -> Finding:
    return Finding(str(photo["id"]), reason, left_out=True, detail="", lat=float(photo["lat"]), lon=float(photo["lon"]))


def _pictures(dataset: Dataset, intake: Intake) -> Callable[[str], bytes | None]:
    """The picture of a new or an old photo by its id."""
    new, at = by_id(intake), dict[str, tuple[Split, int]]()

    def picture(identity: str) -> bytes | None:
        found = new(identity)
        if found is None and not at:
            splits = [dataset.split(name) for name in dataset.counts]
            at.update({str(id): (split, i) for split in splits for i, id in enumerate(split.ids)})
        split, i = at.get(identity, (None, 0))
        return found or (split.photo(i) if split else None)

    return picture
