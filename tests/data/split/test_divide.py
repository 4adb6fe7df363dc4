import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geotune.data.split import SPLITS, assign, divide
from geotune.errors import GeotuneError
from tests.data.split.points import settings, town


@pytest.mark.parametrize("by", ["place", "block"])
def test_no_group_is_torn_and_shares_are_kept(by: str) -> None:
    lat, lon = town(2000)
    division = divide(lat, lon, settings(by=by))
    for group in np.unique(division.place):
        assert len(np.unique(division.split[division.place == group])) == 1
    shares = {name: np.mean(division.split == name) for name in SPLITS}
    assert shares["test"] == pytest.approx(0.15, abs=0.02)
    assert shares["valid"] == pytest.approx(0.15, abs=0.02)


def test_seed_decides() -> None:
    lat, lon = town(500)
    first, again, other = (divide(lat, lon, settings(by="block", seed=seed)).split for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@given(st.lists(st.integers(1, 500), min_size=3, max_size=12), st.integers(0, 50))
def test_every_split_gets_a_group(sizes: list[int], seed: int) -> None:
    group = np.repeat(np.arange(len(sizes)), sizes)
    assert set(assign(group, 0.15, 0.15, seed)) == set(SPLITS)


def test_too_few_places_are_said_with_the_mend() -> None:
    lat = 10 + np.arange(9) * 1e-6
    with pytest.raises(GeotuneError, match=r"9 usable photos in 1 place of 25 m; .* at least three places") as caught:
        divide(lat, np.full(9, 20.0), settings())
    assert "--radius 5m" in caught.value.hint
    with pytest.raises(GeotuneError, match=r"in 1 block of 1 km; .* at least three blocks") as caught:
        divide(lat, np.full(9, 20.0), settings(by="block", block="1km"))
    assert "--block 200m" in caught.value.hint
    with pytest.raises(GeotuneError, match="1 usable photo in 1 place") as caught:
        divide(lat[:1], np.full(1, 20.0), settings())
    assert caught.value.hint == "add photos from elsewhere"  # no radius would help


def test_given_splits() -> None:
    lat, lon = town(4)
    words = np.array(["Train", "val", "testing", "training"])
    assert list(divide(lat, lon, settings(by="given"), given=words).split) == ["train", "valid", "test", "train"]
    for words, message in (
        (None, "no split column"),
        (np.array(["train", "tset", "test", "valid"]), "'tset'"),
        (np.array(["train", "train", "test", "test"]), "names no valid photos"),
    ):
        with pytest.raises(GeotuneError, match=message):
            divide(lat, lon, settings(by="given"), given=words)
