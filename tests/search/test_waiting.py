"""Why trials wait, in one line."""

from typing import Any

import pytest

from geotune.search.machine import Shape
from geotune.search.waiting import Board, Scene, waiting, why

ONE = Shape(4, 1)


@pytest.mark.parametrize(
    ("scene", "told"),
    [
        (Scene(ONE, slots=2, running=2, starting=0), ""),
        (Scene(ONE, slots=2, running=2, starting=1, starting_seconds=99.0), ""),  # one more asks the cluster to grow
        (Scene(ONE, slots=2, running=0, starting=2, starting_seconds=5.0, free=0), ""),
        (Scene(ONE, slots=2, running=1, starting=2, starting_seconds=30.0, placed=1), "1 worker still starting"),
        (Scene(ONE, slots=2, running=1, starting=2, starting_seconds=30.0, free=1), ""),  # Ray is about to place it
        (
            Scene(ONE, slots=2, running=1, starting=1, starting_seconds=30.0),
            "1 slot of the cluster taken by others: waiting for 4 CPU and 1 GPU",
        ),
        (
            Scene(ONE, slots=0, running=0, starting=1, grows=True),
            "no live node holds a trial (4 CPU and 1 GPU): waiting for the cluster to grow",
        ),
        (
            Scene(ONE, slots=0, running=0, starting=1, lost=("10.0.0.7",)),
            "10.0.0.7 is lost: its trials go on elsewhere; "
            "no live node holds a trial (4 CPU and 1 GPU): waiting for nodes to join",
        ),
        (
            Scene(ONE, slots=1, running=1, starting=0, refused={"10.0.0.8": "what is written is not seen there"}),
            "10.0.0.8 gets no trials: what is written is not seen there",
        ),
    ],
)
def test_the_line_says_what_is_waited_for(scene: Scene, told: str) -> None:
    assert why(scene) == told


def test_the_line_stands_in_the_run_folder_while_it_holds(make_search: Any) -> None:
    run, _ = make_search()
    assert waiting(run) == ""
    board = Board(run)
    board.say("for rain")
    assert waiting(run) == "for rain"
    assert waiting(run) == waiting(run)
    Board(run)  # a search that begins anew waits for nothing yet
    assert waiting(run) == ""
    board.say("")
    assert waiting(run) == ""
