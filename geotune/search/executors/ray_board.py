"""Why one piece of work waits for a place on the cluster: told as for trials, in the run's line."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from geotune.record.folder import RunFolder
from geotune.search.background import repeated
from geotune.search.executors.ray_nodes import Nodes
from geotune.search.machine import Shape, slots
from geotune.search.waiting import Board, Scene, why

LOOK_SECONDS = 1.0


@contextmanager
def said_why(run: RunFolder, one: Shape, count: int, begun: Callable[[], bool]) -> Iterator[None]:
    """While the block waits for `count` places of a shape: until the work has `begun`, or the block ends."""
    nodes, board, since = Nodes(), Board(run), time.monotonic()

    def look() -> None:
        board.say("" if begun() else why(scene()))

    def scene() -> Scene:
        return Scene(
            one=one,
            slots=slots(one, nodes.offer),
            running=0,
            starting=count,
            starting_seconds=time.monotonic() - since,
            free=nodes.free(one) // count,
            grows=None if nodes.kinds is None else bool(nodes.kinds),
            lost=nodes.lost,
        )

    try:
        with repeated(look, LOOK_SECONDS, "board"):
            yield
    finally:
        board.say("")
