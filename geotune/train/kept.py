"""Checkpoints that lie side by side in a folder, under names that put them in order."""

import re
import shutil
from pathlib import Path

CHECKPOINTS = "checkpoint"
"""Folder beside a training's config for those written after an epoch, `<attempt>-<epoch>`."""
PARTIAL = "partial"
"""Folder for those written within an epoch, `<step>-<epoch>`."""


def kept(folder: Path) -> list[Path]:
    """The complete ones, the newest first: by epoch, then by attempt or step."""
    found = [path for path in folder.glob("*-*") if re.fullmatch(r"\d+-\d+", path.name)]
    return sorted(found, key=age, reverse=True)


def and_older(checkpoint: Path) -> list[Path]:
    """A checkpoint and those beside it that are older, the newest first: what to fall back on where it is damaged."""
    beside = kept(checkpoint.parent)
    return [checkpoint, *beside[beside.index(checkpoint) + 1 :]] if checkpoint in beside else [checkpoint]


def drop(folder: Path, keep: int = 0) -> None:
    """Delete all but the newest `keep`; where none is kept, the folder with whatever a killed writer left in it."""
    for path in kept(folder)[keep:] if keep else [folder]:
        shutil.rmtree(path, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Delete what killed writers left unfinished: as much as a checkpoint each time. For when nobody writes there."""
    for path in [*folder.glob(".*.tmp"), *folder.glob(".*.old")]:
        shutil.rmtree(path, ignore_errors=True)


def age(path: Path) -> tuple[int, int]:
    """What puts them in order: epoch, then attempt or step."""
    first, epoch = path.name.split("-")
    return int(epoch), int(first)
