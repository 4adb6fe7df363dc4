import numpy as np
import pandas as pd
import pytest

from geotune.data.audit.audit import audit
from geotune.data.audit.flattery import ground, interval, percent, spots_for
from geotune.data.split import divide
from geotune.geo.sphere import distance_km
from tests.data.split.points import METRE, settings

RNG = np.random.default_rng(5)
NOISE = np.packbits(np.argsort(RNG.random((5000, 64))) < 32, axis=1).view(np.uint64).ravel()
"""Hashes of pictures that have nothing in common: half of the bits set."""


def catalogue(lat: np.ndarray, split: np.ndarray, **columns: object) -> pd.DataFrame:
    count = len(lat)
    base = {
        "id": [f"p{i}" for i in range(count)], "lat": lat, "lon": np.zeros(count), "split": split,
        "place": [str(i) for i in range(count)], "time": np.full(count, np.nan), "camera": np.zeros(count, int),
        "phash": NOISE[:count], "sha": [f"{i:032x}" for i in range(count)],
    }  # fmt: skip
    return pd.DataFrame({**base, **columns})


def spread(count: int = 400, step_m: float = 100.0, **columns: object) -> pd.DataFrame:
    """Photos along a line, far from one another, divided 200 training, 100 and 100."""
    lat = np.arange(count) * step_m * METRE
    return catalogue(lat, np.array(["train", "valid", "train", "test"])[np.arange(count) % 4], **columns)


def kinds(found: pd.DataFrame, **split: object) -> list[str]:
    return [one.kind for one in audit(found, settings(**split).model_dump(mode="json")).flattery]


def test_distances_are_those_of_brute_force() -> None:
    rng = np.random.default_rng(0)
    lat, lon = 52 + rng.uniform(0, 0.01, 300), rng.uniform(0, 0.01, 300)
    found = catalogue(lat, rng.choice(["train", "valid", "test"], 300), lon=lon)
    train = (found.split == "train").to_numpy()
    for name, seen in audit(found, {"by": "photo"}).seen.items():
        held = (found.split == name).to_numpy()
        metres = 1000 * distance_km(lat[held][:, None], lon[held][:, None], lat[train], lon[train]).min(1)
        assert seen.photos == held.sum()
        assert seen.closest_m == pytest.approx(metres.min())
        assert seen.p5_m == pytest.approx(np.quantile(metres, 0.05))
        assert seen.median_m == pytest.approx(np.median(metres))


def test_an_honest_split_flatters_nobody() -> None:
    found = audit(spread(), {"by": "place", "radius": "25m", "question": "anything"})
    assert found.flattery == []
    assert found.twins == []
    assert found.seen["test"].in_bursts == -1  # no photo has a time


def test_a_split_by_photo_says_what_it_measures() -> None:
    lat = np.repeat(np.arange(100) * 50 * METRE, 4)
    division = divide(lat, np.zeros(400), settings(by="photo"))
    found = audit(catalogue(lat, division.split, place=division.place.astype(str)), {"by": "photo"})
    assert [one.kind for one in found.flattery] == ["photo"]
    words = found.flattery[0].words
    assert "training has seen the very spots that are held out" in words
    assert "stand exactly where a training photo stands" in words
    assert "nothing of new ones" in words
    assert found.flattery[0].mend == "for new spots hold out whole places: --split place"
    assert found.seen["test"].median_m == 0


def test_training_photos_beside_the_held_out_ones() -> None:
    found = audit(spread(step_m=10), {"by": "place"})
    assert [one.kind for one in found.flattery] == ["near"]
    told = found.flattery[0]
    assert "half of the valid photos were taken within 10 m of a training photo" in told.words
    assert told.mend == "hold out larger pieces: --split block --block 100m"  # a gap would leave no training photo
    assert kinds(spread(step_m=30)) == []
    assert kinds(spread(step_m=30), radius="50m") == ["near"]
    wider = audit(spread(2000, step_m=10), {"by": "block", "block": "100m"}).flattery[0]
    assert "--split block --block 400m" in wider.mend


def test_no_advice_that_leaves_too_few_pieces() -> None:
    """Blocks are made smaller until there are some to test on; where there are none, nothing is promised."""
    assert "--block 200m" in audit(spread(800, step_m=10), {"by": "place"}).flattery[0].mend
    assert "--block 50m" in audit(spread(160, step_m=10), {"by": "place"}).flattery[0].mend
    tiny = audit(spread(60, step_m=10), {"by": "place"}).flattery[0]
    assert tiny.mend == "add photos from elsewhere: these lie too close together"


def test_a_given_split_is_told_of_places() -> None:
    assert "--split place" in audit(spread(step_m=10), {"by": "given"}).flattery[0].mend


def test_a_gap_is_a_mend_where_most_training_photos_stay() -> None:
    split = np.array([{0: "valid", 1: "valid", 20: "test", 21: "test"}.get(i % 40, "train") for i in range(800)])
    told = audit(catalogue(np.arange(800) * 10 * METRE, split), {}).flattery[0]
    assert told.mend.endswith("; or leave out the 158 training photos beside them: --gap 25m")


def test_the_same_position_in_two_splits() -> None:
    found = spread()
    found.loc[3, "lat"] = found.lat[0]
    told = audit(found, {"by": "given"}).flattery
    assert [one.kind for one in told] == ["position"]
    assert told[0].words.startswith("1 of 100 test photos (1 %) stand exactly where a training photo stands: whoever")


def test_lookalikes_across_splits() -> None:
    hashes = NOISE[:400].copy()
    hashes[3], hashes[5] = hashes[0] ^ np.uint64(3), hashes[2]  # test like train, valid like train
    hashes[7] = hashes[9]  # test like valid: no training photo
    found = audit(spread(phash=hashes), {})
    assert found.twins == [("p3", "test", "p0", "train"), ("p5", "valid", "p2", "train"), ("p7", "test", "p9", "valid")]
    assert (found.seen["test"].lookalikes, found.seen["valid"].lookalikes) == (1, 1)
    assert [one.kind for one in found.flattery] == ["lookalikes"]
    assert "1 of 100 valid photos (1 %) look like a training photo (such as p5 like p2)" in found.flattery[0].words


def test_a_picture_without_features_is_found_as_a_file() -> None:
    found = spread(phash=np.zeros(400, np.uint64))  # nights: their hashes say nothing
    assert audit(found, {}).twins == []
    found.loc[3, "sha"] = found.sha[0]
    assert audit(found, {}).twins == [("p3", "test", "p0", "train")]
    assert audit(found, {}).seen["test"].lookalikes == 1
    found.loc[:, "sha"] = ""
    assert audit(found, {}).twins == []


def test_one_lookalike_in_a_thousand_moves_nothing() -> None:
    hashes = NOISE[:4000].copy()
    hashes[3] = hashes[0]
    assert kinds(spread(4000, phash=hashes)) == []


def test_bursts_and_outings_across_splits() -> None:
    time = np.arange(400) * 1e6
    assert kinds(spread(time=time, camera=np.ones(400, int))) == []
    time[1], time[5] = time[0] + 1, time[4] + 2
    beside = spread(time=time, camera=np.ones(400, int))
    beside.loc[[1, 5], "lat"] = beside.lat[[0, 4]].to_numpy() + 20 * METRE
    found = audit(beside, {})
    assert [one.kind for one in found.flattery] == ["bursts"]
    assert found.seen["valid"].in_bursts == 2
    assert found.flattery[0].mend == "keep bursts whole: --group burst"
    walk = spread(time=np.arange(400) * 60.0, camera=np.ones(400, int))
    found = audit(walk, {})
    assert [one.kind for one in found.flattery] == ["outings"]
    assert found.flattery[0].mend == "for other days: --group session"


def test_few_photos_or_places_are_luck() -> None:
    told = audit(spread(40), {}).flattery
    assert [one.kind for one in told] == ["few"]
    assert told[0].words.startswith("only 10 valid photos of 10 places and 10 test photos of 10 places: luck")
    assert kinds(spread(place=["one"] * 400)) == ["few"]
    assert "4 blocks" in audit(spread(16), {"by": "block"}).flattery[0].words


def test_without_training_photos_there_is_no_audit() -> None:
    with pytest.raises(ValueError, match="no training photos"):
        audit(spread()[lambda x: x.split != "train"], {})


def test_numbers_are_short() -> None:
    assert [percent(share) for share in (0, 0.0047, 0.0279, 0.851, 1)] == ["0 %", "0.47 %", "2.8 %", "85 %", "100 %"]
    assert [ground(m) for m in (0, 5.66, 430.4, 2340, 6_204_000)] == ["0 m", "5.7 m", "430 m", "2.3 km", "6,204 km"]
    assert interval(301) == pytest.approx(2 * 2.5 / 57.4, rel=0.05)  # what 301 photos of a campus gave
    assert spots_for(0.1) == pytest.approx(1 / (0.1 / interval(1)) ** 2, rel=0.05)
