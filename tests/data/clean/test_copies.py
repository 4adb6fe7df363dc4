"""The first copy stays; copies that contradict each other go; look-alikes are only told."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from geotune.data.clean.copies import same_file, same_picture
from geotune.data.clean.finding import CONTRADICTORY, DUPLICATE, ELSEWHERE, NEAR_DUPLICATE
from geotune.data.clean.settings import CleanSettings
from tests.data.clean.conftest import flipped, hashes_of

Make = Callable[..., pd.DataFrame]
SETTINGS = CleanSettings()


def test_the_first_copy_stays(catalogue: Make) -> None:
    found, rows = same_file(catalogue(4, sha=["a", "b", "a", "a"]), SETTINGS)
    assert rows.tolist() == [2, 3]
    assert [(f.id, f.reason, f.other, f.left_out) for f in found] == [
        ("p2", DUPLICATE, "p0", True),
        ("p3", DUPLICATE, "p0", True),
    ]
    assert found[0].detail == "22 m apart"


def test_copies_at_different_positions_all_go(catalogue: Make) -> None:
    made = catalogue(5, sha=["a", "b", "a", "a", "b"], lat=[52, 52, 52, 53, 52.0005])
    found, rows = same_file(made, SETTINGS)
    assert sorted(rows) == [0, 2, 3, 4]
    told = {f.id: (f.reason, f.other, f.detail) for f in found}
    assert told["p0"] == (CONTRADICTORY, "p3", "111 km apart")  # with the one that it contradicts most
    assert told["p3"] == (CONTRADICTORY, "p0", "111 km apart")
    assert told["p2"][:2] == (CONTRADICTORY, "p0")
    assert told["p4"][:2] == (DUPLICATE, "p1")


def test_copies_can_be_kept_and_are_told_all_the_same(catalogue: Make) -> None:
    made = catalogue(3, sha=["a", "a", "b"])
    found, rows = same_file(made, CleanSettings(keep_duplicates=True))
    assert not len(rows)
    assert [(f.id, f.left_out) for f in found] == [("p1", False)]


def test_files_of_unknown_content_are_no_copies(catalogue: Make) -> None:
    found, rows = same_file(catalogue(3, sha=["", "", ""]), SETTINGS)
    assert not found
    assert not len(rows)


def test_a_look_alike_is_told_with_its_nearest_twin(catalogue: Make) -> None:
    words = [int(word) for word in hashes_of(3)]
    words += [flipped(words[0], 1), flipped(words[0], 2, seed=5)]
    made = catalogue(5, phash=np.array(words, np.uint64), lat=[52.0, 52.0, 52.0, 52.0001, 52.1])
    found = same_picture(made, np.ones(5, bool), SETTINGS)
    assert {(f.id, f.reason, f.other) for f in found} == {("p3", NEAR_DUPLICATE, "p0"), ("p4", ELSEWHERE, "p0")}
    assert {f.detail for f in found} == {"2 of 64 bits differ, 11 m apart", "4 of 64 bits differ, 11 km apart"}
    assert not any(f.left_out for f in found)


def test_copies_and_what_was_left_out_are_no_look_alikes(catalogue: Make) -> None:
    same = np.full(3, hashes_of(1)[0])
    made = catalogue(3, phash=same, sha=["a", "a", "b"])
    assert same_picture(made, np.array([True, True, False]), SETTINGS) == []
