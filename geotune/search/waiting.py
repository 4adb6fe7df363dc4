"""Why trials wait when they wait, in one line: kept beside Ray's files for whoever shows the search."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from geotune.data.words import counted
from geotune.record.folder import RunFolder, write_atomic
from geotune.search.machine import Shape

PATIENCE_SECONDS = 10.0
"""What starts within these waits for nothing: a worker imports torch."""


@dataclass(frozen=True)
class Scene:
    """What stands and what is missing at one instant of a search on Ray."""

    one: Shape
    slots: int
    """Trials that the live nodes hold."""
    running: int
    """Trials whose worker is up."""
    starting: int
    """Trials that wait for theirs."""
    placed: int = 0
    """Of these those that have their slot: their worker starts there."""
    starting_seconds: float = 0.0
    """How long the one that waits longest has done so."""
    free: int = 0
    """Trials that the live nodes could still take, by what is free there."""
    grows: bool | None = None
    """Whether an autoscaler starts nodes that hold a trial; None where nobody here knows."""
    lost: tuple[str, ...] = ()
    """Nodes that are gone for a short while."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Nodes that get no trials, and why."""


def why(scene: Scene) -> str:
    """The line, "" where no trial waits longer than a worker takes to start, and no node is missing."""
    told = [f"{address} gets no trials: {problem}" for address, problem in scene.refused.items()]
    if scene.lost:
        told.append(
            f"{' and '.join(scene.lost)} {'are' if len(scene.lost) > 1 else 'is'} lost: its trials go on elsewhere"
        )
    if not scene.slots:
        missing = f"no live node holds a trial ({scene.one})"
        coming = "nodes to join" if scene.grows is None else "the cluster to grow" if scene.grows else "one to join"
        told.append(f"{missing}: waiting for {coming}")
    elif scene.starting_seconds > PATIENCE_SECONDS:
        waits = min(scene.starting, scene.slots - scene.running) - scene.placed
        if waits > 0 and not scene.free:
            told.append(f"{counted(waits, 'slot')} of the cluster taken by others: waiting for {scene.one}")
        elif scene.placed:
            told.append(f"{counted(scene.placed, 'worker')} still starting")  # no seconds: a new line is shown anew
    return "; ".join(told)


class Board:
    """The line of one run folder. Written only when it changes, and gone when the search ends."""

    def __init__(self, run: RunFolder) -> None:
        self._path = run.ray / NAME
        self._said = ""
        self.say("")

    def say(self, text: str) -> None:
        if text == self._said and (text or not self._path.exists()):
            return
        self._said = text
        with contextlib.suppress(OSError):  # it is only said
            if text:
                write_atomic(self._path, text + "\n")
            else:
                self._path.unlink(missing_ok=True)


NAME = "waiting.txt"


def waiting(run: RunFolder) -> str:
    """Why trials of a running search wait; "" where they do not."""
    try:
        return (run.ray / NAME).read_text(encoding="utf-8").strip()
    except OSError:
        return ""
