import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geotune.data.split import SplitSettings, divide, join, ties
from geotune.data.split.groups import TORN
from geotune.data.split.join import BESIDE, TIED
from geotune.data.split.places import blocks
from geotune.errors import GeotuneError
from geotune.geo.sphere import distance_km
from tests.data.split.points import METRE, settings, town

Old = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def divided(count: int, seed: int, asked: SplitSettings) -> Old:
    """Latitude, longitude, place and split of a dataset's photos."""
    lat, lon = town(count, seed)
    division = divide(lat, lon, asked)
    used = division.split != ""
    return lat[used], lon[used], division.place[used], division.split[used]


def metres(lat: np.ndarray, lon: np.ndarray, to_lat: np.ndarray, to_lon: np.ndarray) -> np.ndarray:
    return 1000 * distance_km(lat[:, None], lon[:, None], to_lat, to_lon)


@given(
    st.sampled_from(["place", "block", "photo"]),
    st.integers(0, 500),
    st.sampled_from(["0m", "30m"]),
    st.integers(0, 60),
    st.booleans(),
)
def test_nothing_new_trains_beside_what_is_held_out(by: str, seed: int, gap: str, count: int, grouped: bool) -> None:
    asked = settings(by=by, gap=gap, seed=seed)
    try:
        old = old_lat, old_lon, old_place, old_split = divided(60, seed, asked)
    except GeotuneError:  # the gap leaves nothing: tested elsewhere
        return
    lat, lon = town(count, seed + 1)
    rng = np.random.default_rng(seed)
    group = np.where(rng.random(count) < 0.4, rng.integers(0, 1 + count // 5, count), -1) if grouped else None
    split, place, _ = join(lat, lon, *old, asked, group=group)
    assert set(split) <= {"", "train", "valid", "test"}
    train, held = split == "train", np.isin(split, ("valid", "test"))
    old_held = np.isin(old_split, ("valid", "test"))
    if by == "place":
        assert metres(lat[train], lon[train], old_lat[old_held], old_lon[old_held]).min(initial=1e9) > asked.radius
    if by == "block":
        block = blocks(np.append(lat, old_lat), np.append(lon, old_lon), asked.block)
        every = np.append(split, old_split)
        for number in set(block):
            assert len(set(every[(block == number) & (every != "")])) <= 1
    if by != "photo":
        places = np.append(place, old_place)
        every = np.append(split, old_split)
        for number in set(place):
            assert len(set(every[(places == number) & (every != "")])) <= 1
    if grouped:
        assert all(len(set(split[(group == number) & (split != "")])) <= 1 for number in set(group) - {-1})
    all_lat, all_lon, all_split = np.append(lat, old_lat), np.append(lon, old_lon), np.append(split, old_split)
    a, b = all_split == "train", np.isin(all_split, ("valid", "test"))
    assert metres(all_lat[a], all_lon[a], all_lat[b], all_lon[b]).min(initial=1e9) >= asked.gap
    assert not (held & (place < 0)).any()


def test_newcomers_join_the_nearest_place() -> None:
    lat, lon, place, split = (
        np.array([0, 1000, 2000]) * METRE,
        np.zeros(3),
        np.arange(3),
        np.array(["train", "valid", "test"]),
    )
    new = np.array([10, 1010, 2010, 1020]) * METRE
    found, of_photo, _ = join(new, np.zeros(4), lat, lon, place, split, settings())
    assert list(found) == ["train", "valid", "test", "valid"]
    assert list(of_photo) == [0, 1, 2, 1]


def test_between_a_training_and_a_held_out_photo_a_newcomer_is_held_out() -> None:
    lat, place, split = np.array([0, 30]) * METRE, np.arange(2), np.array(["train", "test"])
    found, of_photo, _ = join(np.array([10]) * METRE, np.zeros(1), lat, np.zeros(2), place, split, settings())
    assert list(found) == ["test"]
    assert list(of_photo) == [1]


def test_a_held_out_place_does_not_creep_along_a_street() -> None:
    lat, lon, place = np.array([0, 5000.0]) * METRE, np.zeros(2), np.arange(2)
    split = np.array(["test", "train"])
    for step in range(1, 12):  # a photo 20 m further at each import
        new = np.array([20.0 * step]) * METRE
        found, of_photo, _ = join(new, np.zeros(1), lat, lon, place, split, settings())
        if found[0]:
            lat, lon, place, split = (
                np.append(lat, new),
                np.zeros(len(lat) + 1),
                np.append(place, of_photo),
                np.append(split, found),
            )
    mine = lat[(place == 0)] / METRE
    assert np.ptp(mine) <= 100
    assert (split[lat / METRE < np.max(mine) + 25][:-1] != "train").all()


def test_a_block_takes_its_newcomers() -> None:
    asked = settings(by="block", block="100m")
    lat, lon, place, split = divided(200, 0, asked)
    found, of_photo, _ = join(lat + 1e-9, lon + 1e-9, lat, lon, place, split, asked)
    same = blocks(np.append(lat, lat + 1e-9), np.append(lon, lon + 1e-9), 100).reshape(2, -1)
    same = same[0] == same[1]
    assert same.mean() > 0.99
    np.testing.assert_array_equal(found[same], split[same])
    np.testing.assert_array_equal(of_photo[same], place[same])


@pytest.mark.parametrize("by", ["place", "block", "photo"])
def test_newcomers_elsewhere_go_by_the_shares(by: str) -> None:
    asked = settings(by=by)
    old = divided(500, 0, asked)
    lat, lon = town(500, 1)
    split, place, _ = join(lat + 1, lon, *old, asked)
    assert np.mean(split == "test") == pytest.approx(0.15, abs=0.02)
    assert np.mean(split == "valid") == pytest.approx(0.15, abs=0.02)
    assert not set(place) & set(old[2])
    np.testing.assert_array_equal(split, join(lat + 1, lon, *old, asked)[0])


def test_new_places_fill_what_is_lacking() -> None:
    old_lat = np.arange(100) / 100
    split = np.full(100, "train")
    split[0], split[1] = "valid", "test"
    new, *_ = join(10 + np.arange(20) / 100, np.zeros(20), old_lat, np.zeros(100), np.arange(100), split, settings())
    assert (new == "train").sum() < 5


def test_one_new_photo_trains_where_nothing_is_lacking() -> None:
    old_split = np.repeat(["train", "valid", "test"], [70, 15, 15])
    old = np.arange(100) / 100, np.zeros(100), np.arange(100), old_split
    split, *_ = join(np.array([60.0]), np.zeros(1), *old, settings())
    assert list(split) == ["train"]


def test_given_newcomers_say_their_split() -> None:
    asked = settings(by="given", gap="50m")
    lat, lon, place = np.array([0, 1000, 2000]) * METRE, np.zeros(3), np.arange(3)
    split = np.array(["train", "valid", "test"])
    new, words = np.array([500, 1030, 20]) * METRE, np.array(["training", "train", "val"])
    found, *_ = join(new, np.zeros(3), lat, lon, place, split, asked, given=words)
    assert list(found) == ["train", "", ""]
    with pytest.raises(GeotuneError, match="no split column"):
        join(new, np.zeros(3), lat, lon, place, split, asked)
    with pytest.raises(GeotuneError, match="'tset'"):
        join(new, np.zeros(3), lat, lon, place, split, asked, given=np.array(["tset", "train", "train"]))


def test_a_group_goes_with_what_is_held_out() -> None:
    lat, split = np.array([0, 1000, 2000]) * METRE, np.array(["train", "valid", "test"])
    new = np.array([5, 1005, 2005, 9000, 9010]) * METRE
    group = np.array([1, 1, 1, 1, -1])
    found, *_ = join(new, np.zeros(5), lat, np.zeros(3), np.arange(3), split, settings(group="burst"), group=group)
    assert list(found) == ["", "", "test", "test", "test"]  # the last shares a place with the one before


def test_no_newcomers() -> None:
    old = divided(50, 0, settings())
    split, place, _ = join(np.zeros(0), np.zeros(0), *old, settings())
    assert len(split) == len(place) == 0


def test_a_group_goes_where_its_old_photos_are() -> None:
    lat, split = np.array([0, 1000, 2000]) * METRE, np.array(["train", "valid", "test"])
    new = np.array([1005, 9000, 9010, 20_000, 30_000]) * METRE
    group, tied = np.array([1, 1, -1, 2, 3]), np.array(["train", "train", "", "torn", ""])
    asked = settings(group="session")
    found, _, reason = join(
        new, np.zeros(5), lat, np.zeros(3), np.arange(3), split, asked, group=group, tied=tied, given=None
    )
    assert list(found[:4]) == ["", "train", "train", ""]
    assert list(reason[:4]) == [TIED.format(group="session"), "", "", TIED.format(group="session")]


def test_ties_are_the_splits_of_old_photos() -> None:
    old_group, old_split = np.array([4, 4, 7, 7, -1]), np.array(["test", "test", "test", "train", "valid"])
    assert ties(np.array([4, 7, 9, -1]), old_group, old_split).tolist() == ["test", TORN, "", ""]
    assert ties(np.array([1]), np.zeros(0, np.int64), np.zeros(0, "<U5")).tolist() == [""]


def test_why_newcomers_are_left_out() -> None:
    split, asked = np.array(["train", "test"]), settings(gap="30m")
    old = np.array([40, 0]) * METRE, np.zeros(2), np.arange(2), split
    found, _, reason = join(np.array([15, 69]) * METRE, np.zeros(2), *old, asked)
    assert list(found) == ["", ""] or list(found) == ["", "train"]
    assert reason[0] == "within 30 m of a training photo (--gap)"
    lat = np.array([0, 5000.0]) * METRE
    old = lat, np.zeros(2), np.zeros(2, np.int64), np.array(["test", "test"])
    found, _, reason = join(np.array([10]) * METRE, np.zeros(1), *old, settings())
    assert (found[0], reason[0]) == ("", BESIDE)  # the place of these two has its middle far away


def test_places_of_a_name_stay_whole() -> None:
    lat, split = np.array([0, 1000, 2000, 3000]) * METRE, np.array(["train", "valid", "test", "train"])
    old = lat, np.zeros(4), np.arange(4), split
    new = np.array([500, 1005, 5000, 5060, 3010, 3090]) * METRE
    name, known = np.array(["a", "a", "b", "b", "c", "c"]), np.array([0, 0, -1, -1, -1, -1])
    found, place, reason = join(new, np.zeros(6), *old, settings(test=0.5), name=name, known=known)
    assert list(found[:2]) == ["train", "train"]  # though one is beside what is held out: its name decides
    assert list(place[:2]) == [0, 0]
    assert found[2] == found[3]
    assert place[2] == place[3] >= 4
    assert place[4] == place[5]
    assert set(found[4:]) <= {"train"} or (found[4], reason[4]) == ("", BESIDE)  # the first is beside training
