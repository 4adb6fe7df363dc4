import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geotune.data.split import SPLITS, assign, divide
from geotune.errors import GeotuneError
from geotune.geo.sphere import distance_km
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
        (np.array(["train", " ", "test", "valid"]), "has empty fields"),
        (np.array(["train", "train", "test", "test"]), "names no valid photos"),
    ):
        with pytest.raises(GeotuneError, match=message):
            divide(lat, lon, settings(by="given"), given=words)


# ------------------------------------------------------------------------------------------ photos, groups, gap


def test_single_photos_are_divided_only_if_asked() -> None:
    lat, lon = (np.repeat(x, 10) for x in town(100))
    division = divide(lat, lon, settings(by="photo"))
    assert np.mean(division.split == "test") == pytest.approx(0.15, abs=0.01)
    torn = [len(np.unique(division.split[division.place == place])) > 1 for place in np.unique(division.place)]
    assert np.mean(torn) > 0.8
    assert len(np.unique(division.place)) <= 100  # places are known all the same: intervals are over them


@given(
    st.sampled_from(["place", "block", "photo"]),
    st.integers(0, 1000),
    st.integers(30, 200),
    st.sampled_from(["0m", "20m", "60m"]),
)
def test_neither_a_place_nor_a_group_is_divided_and_the_gap_is_kept(by: str, seed: int, count: int, gap: str) -> None:
    rng = np.random.default_rng(seed)
    lat, lon = town(count, seed)
    group = np.where(rng.random(count) < 0.3, rng.integers(0, count // 6, count), -1)
    asked = settings(by=by, group="owner", gap=gap, seed=seed)
    try:
        division = divide(lat, lon, asked, group=group)
    except GeotuneError:  # the errors have their own tests
        return
    used = division.split != ""
    kinds = [group] if by == "photo" else [group, division.place]
    for kind in kinds:
        for number in set(kind) - {-1}:
            assert len(set(division.split[used & (kind == number)])) <= 1
    held, train = np.isin(division.split, ("valid", "test")), division.split == "train"
    metres = 1000 * distance_km(lat[held][:, None], lon[held][:, None], lat[train], lon[train])
    assert metres.min() >= asked.gap
    assert set(SPLITS) <= set(division.split)


def test_groups_tie_places_together() -> None:
    lat = 50 + np.arange(40) / 100
    group = np.full(40, -1)
    group[[3, 17, 31]] = 7
    for seed in range(20):
        assert len(set(divide(lat, np.zeros(40), settings(seed=seed), group=group).split[[3, 17, 31]])) == 1


def test_a_piece_larger_than_what_is_held_out_trains() -> None:
    lat = 50 + np.arange(100) / 100
    group = np.where(np.arange(100) < 55, 1, -1)
    for seed in range(20):
        division = divide(lat, np.zeros(100), settings(group="owner", seed=seed), group=group)
        assert set(division.split[:55]) == {"train"}
        assert np.mean(division.split == "test") == pytest.approx(0.15, abs=0.01)


@pytest.mark.parametrize(
    ("by", "said", "mend"),
    [
        (
            "place",
            "the same owner, or a place in common",
            "smaller places: --radius 5m; whole groups whose spots may be known: --split photo --group owner; or no",
        ),
        (
            "block",
            "the same owner, or a block in common",
            "--group burst; smaller blocks: --block 10m; whole groups whose",
        ),
        ("photo", r"\(the same owner\)", "take other groups: --group burst; or no groups: leave --group out"),
    ],
)
def test_what_hangs_together_and_leaves_too_little_is_refused(by: str, said: str, mend: str) -> None:
    group = np.where(np.arange(100) < 90, 1, -1)
    with pytest.raises(GeotuneError, match=rf"90 of 100 photos hang together .*{said}.* too little to hold") as caught:
        divide(50 + np.arange(100) / 100, np.zeros(100), settings(by=by, group="owner"), group=group)
    assert mend in caught.value.hint


def test_too_few_groups_or_photos_are_refused() -> None:
    lat = 50 + np.arange(10) / 100
    with pytest.raises(
        GeotuneError, match=r"10 usable photos in 2 pieces \(--group owner\); .* least three pieces"
    ) as caught:
        divide(lat, np.zeros(10), settings(group="owner"), group=np.arange(10) % 2)
    assert "--split photo --group owner" in caught.value.hint
    with pytest.raises(GeotuneError, match=r"10 usable photos in 1 group \(--group owner\); .* least three groups"):
        divide(lat, np.zeros(10), settings(by="photo", group="owner"), group=np.ones(10, int))
    with pytest.raises(GeotuneError, match="2 usable photos; train, valid and test need at least three") as caught:
        divide(lat[:2], np.zeros(2), settings(by="photo"))
    assert caught.value.hint == "add photos"


def test_a_gap_that_leaves_nothing_is_refused() -> None:
    lat, lon = town(100)
    with pytest.raises(GeotuneError, match="--gap 5km: every training photo is nearer") as caught:
        divide(lat, lon, settings(gap="5km"))
    assert "take a smaller gap" in caught.value.hint


def test_given_splits_that_divide_a_group_are_refused() -> None:
    lat, lon = town(6)
    words = np.array(["train", "train", "valid", "valid", "test", "test"])
    asked = settings(by="given", group="burst")
    assert list(divide(lat, lon, asked, given=words, group=np.array([1, 1, 2, 2, -1, -1])).split) == list(words)
    with pytest.raises(GeotuneError, match="--group burst: the source's own splits divide 1 of its groups") as caught:
        divide(lat, lon, asked, given=words, group=np.array([1, 1, 1, 2, -1, -1]))
    assert "--split place --group burst" in caught.value.hint


@given(st.lists(st.integers(1, 500), min_size=3, max_size=12), st.integers(0, 50))
def test_which_small_groups_are_held_out_depends_on_the_seed_alone(sizes: list[int], seed: int) -> None:
    group = np.repeat(np.arange(len(sizes)), sizes)
    np.testing.assert_array_equal(assign(group, 0.15, 0.15, seed), assign(group, 0.15, 0.15, seed))


def test_three_equal_places_take_turns() -> None:
    group = np.repeat(np.arange(3), 10)
    assert len({str(assign(group, 0.15, 0.15, seed)[0]) for seed in range(20)}) == 3


def test_given_splits_say_how_many_spots_training_knows() -> None:
    lat = 50 + np.array([0, 0, 1, 2, 2, 3]) / 100
    words = np.array(["train", "valid", "valid", "test", "train", "test"])
    question = divide(lat, np.zeros(6), settings(by="given"), given=words).question
    assert question == "on the photos that the source itself holds out (50% of them at spots that training knows)"
