"""New photos come into a dataset that exists: every old photo keeps its split, and training sees none held out."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from geotune.config import build
from geotune.data.catalogue import catalogue_of
from geotune.data.clean import Finding, clean
from geotune.data.dataset import Dataset, Split, open_dataset
from geotune.data.importing.cases import by_id, counts, finding_of, old_cases
from geotune.data.importing.importer import CLEANING, Imported, ImportSettings, Report
from geotune.data.importing.intake import Intake, Tell, taken_in
from geotune.data.importing.shelve import write
from geotune.data.sources.kinds import Source
from geotune.data.split import SPLITS, SplitSettings, groups_of, join
from geotune.data.writing.append import alone, publish, writers_of
from geotune.data.writing.part import PartFolder
from geotune.data.writing.writer import REPORT, unwritable
from geotune.errors import GeotuneError

if TYPE_CHECKING:
    import pandas as pd

Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.str_]

OLD = "reading the dataset"
BESIDE = "too near a held-out place to train, too far to join it"
TIED = "its {group} is in another split already"


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
    if split.get("group") == "camera":
        raise GeotuneError(
            f"{dataset.folder}: its cameras are kept whole (group=camera), but known by a number alone: which of them "
            "took a new photo cannot be told",
            "make a dataset of all photos, old and new: geotune data import PHOTOS OUT --group camera",
        )
    given = {**stored, "in_place": in_place or (bool(stored.get("in_place")) and source.name == "shards")}
    return build(ImportSettings, {**given, "source": source.model_dump(), "split": split})


def _add(
    dataset: Dataset, settings: ImportSettings, part: Path, before: bytes, tell: Tell, report: Report | None
) -> Imported:
    import pandas as pd

    old = catalogue_of(dataset, lambda done, of: tell(OLD, done, of), decode=False)
    if settings.taking.group and not (old["group"] != "").any():
        raise GeotuneError(
            f"{dataset.folder}: no {settings.taking.group} is divided in it (--group), but its photos do not say "
            "theirs (--columns)",
            "make a dataset of all photos, old and new: geotune data import PHOTOS OUT",
        )
    cameras = int(old["camera"].max())
    with taken_in(settings.source, settings.taking, part, tell, cameras) as intake:
        cases = [finding_of(item) for item in intake.left_out]
        new = intake.catalogue
        new["id"] = _unlike(new["id"], old["id"])
        tell(CLEANING, 0, None)
        both = pd.concat([old, new], ignore_index=True)
        cleaning = clean(both, settings.clean, dataset.extent)
        known = set(old["id"])
        findings = [replace(f, left_out=False) if f.left_out and f.id in known else f for f in cleaning.findings]
        kept = np.flatnonzero(cleaning.keep[len(old) :])
        split, place, refused = _joined(old, new.iloc[kept], both, settings.split)
        cases += [_case(new.iloc[kept[i]], reason) for i, reason in refused.items()]
        rows = split != ""
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
            publish(dataset, writers, left_out, part, before)
    fresh = [f for f in findings if not f.left_out and (f.id not in known or (f.other and f.other not in known))]
    added = Counter({name: int((split == name).sum()) for name in SPLITS})
    return Imported(dataset.folder, left_out, examples, counts(fresh)[0], intake.columns, False, added)


def _joined(
    old: "pd.DataFrame", new: "pd.DataFrame", both: "pd.DataFrame", settings: SplitSettings
) -> tuple[Texts, Ints, dict[int, str]]:
    """Split and place of the newcomers that are clean, and why those with the split "" are left out."""
    if not len(new):
        return np.zeros(0, "<U5"), np.zeros(0, np.int64), {}
    (lat, lon), (old_lat, old_lon) = ([x[name].to_numpy(np.float64) for name in ("lat", "lon")] for x in (new, old))
    old_split = old["split"].to_numpy(str)
    groups = groups_of(both, settings)
    mine = None if groups is None else groups[len(old) :][new.index]
    split, place = join(
        lat, lon, old_lat, old_lon, old["place"].to_numpy(np.int64), old_split, settings,
        given=new["split"].to_numpy(str) if settings.by == "given" else None, group=mine,
    )  # fmt: skip
    refused = dict.fromkeys(map(int, np.flatnonzero(split == "")), BESIDE)
    if groups is not None and mine is not None:  # whatever an old photo ties to a split may be in no other
        of_group = dict(zip(groups[: len(old)].tolist(), old_split.tolist(), strict=True))
        for i, group in enumerate(mine.tolist()):
            if group >= 0 and split[i] and of_group.get(group, split[i]) != split[i]:
                split[i], refused[i] = "", TIED.format(group=settings.group)
    return split, place, refused


def _unlike(new: "pd.Series[str]", old: "pd.Series[str]") -> "pd.Series[str]":
    """Ids of newcomers, changed where an old photo has the same: IMG_0001.jpg is a name that every camera gives."""
    known, ids = set(old), []
    for name in new:
        free, number = name, 2
        while free in known:
            free, number = f"{name} ({number})", number + 1
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
