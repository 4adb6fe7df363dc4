"""New shards beside the old ones of a dataset; it is the old dataset until the last moment, whatever happens."""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from geotune.data.dataset import Dataset, Extent, SplitFile
from geotune.data.known import Known
from geotune.data.split import SPLITS
from geotune.data.writing.writer import REPORT, SplitWriter, joined, unwritable, write_description
from geotune.errors import GeotuneError


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """No other process of this machine adds to the same dataset meanwhile. Raises GeotuneError where one does."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder.parent / f".{folder.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise GeotuneError(f"{folder}: photos are being added to it already", "wait until that has ended") from None
    except OSError as error:
        raise unwritable(folder.parent, error) from None
    try:
        yield
    finally:
        with suppress(OSError):
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def writers_of(dataset: Dataset, part: Path) -> dict[str, SplitWriter]:
    """Writers into the folder `part` whose shards get the next numbers of each split."""

    def after(split: str, kind: str) -> int:
        stored = dataset.description.splits.get(split)
        numbers = [name.removeprefix(f"{kind}_").removesuffix(".msg") for name in (stored.shards if stored else ())]
        return max((int(number) + 1 for number in numbers if number.isdecimal()), default=0)

    return {
        name: SplitWriter(part / name, dataset.folder, shards=after(name, "shard"), links=after(name, "link"))
        for name in SPLITS
    }


def publish(
    dataset: Dataset,
    writers: Mapping[str, SplitWriter],
    left_out: Counter[str],
    part: Path,
    before: bytes,
    *,
    known: Known,
    extent: Extent,
) -> None:
    """Move the new shards beside the old ones, and last replace dataset.json, which makes them count.

    `known` and `extent` are now those of old and new photos together; `before` is what stood in it at first: raises
    GeotuneError where another process has written it since.
    """
    folder, described = dataset.folder, dataset.description.model_copy(deep=True)
    for name, writer in writers.items():
        if writer.photos:
            old, new = described.splits.get(name), writer.described()
            described.splits[name] = (
                _both(old, new, {*dataset.split(name).place.tolist()} | writer.places) if old else new
            )
    described.fingerprint = joined(described.splits[name].fingerprint for name in SPLITS if name in described.splits)
    described.known, described.extent = known, extent
    described.left_out = dict((Counter(described.left_out) + left_out).most_common())
    write_description(described, part / "dataset.json")
    if (folder / "dataset.json").read_bytes() != before:
        raise GeotuneError(f"{folder}: changed while photos were added", "start again")
    moved: list[Path] = []
    try:
        for name in SPLITS:
            (folder / name).mkdir(exist_ok=True)
            for made in (part / name).iterdir():
                moved.append(folder / name / made.name)
                shutil.move(made, moved[-1])
        _replace(part / "dataset.json", folder / "dataset.json")
    except BaseException:
        for path in moved:  # no dataset.json speaks of them
            path.unlink(missing_ok=True)
        raise
    for name in REPORT:
        with suppress(FileNotFoundError):
            _replace(part / name, folder / name)


def _replace(made: Path, place: Path) -> None:
    """Put a file into another's place, whole or not at all, though they may lie on two disks: a link, a mount point."""
    beside = place.with_name(f".{place.name}.part")
    try:
        shutil.move(made, beside)
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)


def _both(old: SplitFile, new: SplitFile, places: set[int]) -> SplitFile:
    return SplitFile(
        photos=old.photos + new.photos, places=len(places), shards=[*old.shards, *new.shards],
        fingerprint=joined([old.fingerprint, new.fingerprint]), links={**old.links, **new.links},
    )  # fmt: skip
