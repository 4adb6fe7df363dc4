import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geotune.data.split import groups_of
from geotune.data.split.groups import whole
from geotune.errors import GeotuneError
from tests.data.split.points import settings


def catalogue(**columns: list) -> pd.DataFrame:
    base = {"time": [np.nan] * 3, "camera": [0] * 3, "group": [""] * 3, "lat": [1.0] * 3, "lon": [1.0] * 3}
    return pd.DataFrame({**base, **columns})


def test_no_group_is_none() -> None:
    assert groups_of(catalogue(), settings()) is None


def test_a_camera_and_a_column_group_those_that_have_one() -> None:
    found = groups_of(catalogue(camera=[2, 0, 2]), settings(group="camera"))
    assert list(found) == [2, -1, 2]
    found = groups_of(catalogue(group=["ann", "", "ann"]), settings(group="owner"))
    assert found[0] == found[2] >= 0
    assert found[1] == -1


@pytest.mark.parametrize(
    ("group", "what"),
    [("burst", "a capture time"), ("session", "a capture time"), ("camera", "its camera"), ("owner", "its owner")],
)
def test_what_no_photo_says_cannot_group(group: str, what: str) -> None:
    with pytest.raises(GeotuneError, match=f"--group {group}: no photo says {what}") as caught:
        groups_of(catalogue(), settings(group=group))
    assert "leave --group out" in caught.value.hint


@given(st.lists(st.tuples(st.integers(-1, 8), st.integers(-1, 8)), min_size=1, max_size=30))
def test_pieces_are_those_of_union_and_find(pairs: list[tuple[int, int]]) -> None:
    parent = list(range(len(pairs)))

    def root(i: int) -> int:
        return i if parent[i] == i else root(parent[i])

    for i, mine in enumerate(pairs):
        for j, other in enumerate(pairs[:i]):
            if any(a == b != -1 for a, b in zip(mine, other, strict=True)):
                parent[root(i)] = root(j)
    found = whole(*np.array(pairs).T)
    for i in range(len(pairs)):
        for j in range(i):
            assert (found[i] == found[j]) == (root(i) == root(j))
    assert set(found) == set(range(found.max() + 1))
