"""`import --add`: old photos keep their split, whatever comes."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from PIL import Image

from geotune.config import build
from geotune.data.clean.finding import DUPLICATE, FAR
from geotune.data.dataset import Dataset, open_dataset
from geotune.data.importing.extend import _unlike, add_photos
from geotune.data.importing.importer import Imported, ImportSettings, import_photos
from geotune.data.sources.kinds import source_of
from geotune.data.split.join import BESIDE, GAP, TIED
from geotune.errors import GeotuneError
from geotune.geo.sphere import distance_km
from geotune.report.cleaning import write_report

Row = dict[str, Any]
METRE = 1 / 111_195
"""Of latitude, in degrees."""


@pytest.fixture
def photos(tmp_path: Path) -> Callable[..., Path]:
    """`photos("name", rows)` -> a CSV file; a row is {lat, lon, seed: which picture, …}."""

    def make(name: str, rows: list[Row]) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        columns = list(dict.fromkeys(["file", "latitude", "longitude", *(key for row in rows for key in row)]))
        lines = []
        for i, row in enumerate(rows):
            row = {"file": f"{i}.jpg", **row}
            noise = np.random.default_rng(row.pop("seed")).integers(0, 256, (6, 8, 3), np.uint8)
            Image.fromarray(noise).resize((64, 48)).save(folder / row["file"], quality=85)
            row["latitude"], row["longitude"] = row.pop("lat"), row.pop("lon")
            lines.append(row)
        with (folder / "labels.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, [name for name in columns if name not in ("lat", "lon", "seed")])
            writer.writeheader()
            writer.writerows(lines)
        return folder / "labels.csv"

    return make


def street(count: int, start_m: float = 0, step_m: float = 100, seed: int = 0, **more: Any) -> list[Row]:
    return [{"lat": 52 + (start_m + i * step_m) * METRE, "lon": 0.1, "seed": seed + i, **more} for i in range(count)]


def made(source: Path, out: Path, report: Any = None, **given: Any) -> Dataset:
    settings = build(ImportSettings, {"source": source_of(source).model_dump(), **given})
    import_photos(settings, out, report=report)
    return open_dataset(out)


def add(source: Path, out: Path, **given: Any) -> Imported:
    return add_photos(source_of(source), out, **given)


def splits_of(dataset: Dataset) -> dict[str, str]:
    return {str(id): name for name in dataset.counts for id in dataset.split(name).ids}


def positions_of(dataset: Dataset) -> dict[str, tuple[float, float]]:
    splits = [dataset.split(name) for name in dataset.counts]
    return {str(split.ids[i]): (split.lat[i], split.lon[i]) for split in splits for i in range(len(split))}


def test_old_photos_keep_their_split_and_their_bytes(photos: Callable[..., Path], tmp_path: Path) -> None:
    old = made(photos("a", street(30)), tmp_path / "town")
    before, bytes_before = splits_of(old), old.split("test").photo(0)
    shards = {path: path.read_bytes() for path in (tmp_path / "town").rglob("*.msg")}
    done = add(photos("b", street(30, start_m=20_000, seed=100)), tmp_path / "town")
    new = open_dataset(tmp_path / "town")
    after = splits_of(new)
    assert {id: after[id] for id in before} == before
    assert sum(new.counts.values()) == 60
    assert sum(done.added.values()) == 30
    assert new.split("test").photo(0) == bytes_before
    assert all(path.read_bytes() == content for path, content in shards.items())
    assert new.fingerprint != old.fingerprint
    assert new.counts["test"] == pytest.approx(9, abs=2)
    for name in new.counts:
        split = new.split(name)
        assert new.places[name] == len(set(split.place.tolist()))
        for i in range(len(split)):
            Image.open(io.BytesIO(split.photo(i))).load()
    places = [set(new.split(name).place.tolist()) for name in new.counts]
    assert not places[0] & places[1]
    assert not places[0] & places[2]


def test_newcomers_at_held_out_places_join_them(photos: Callable[..., Path], tmp_path: Path) -> None:
    old = made(photos("a", street(30)), tmp_path / "town")
    again = street(30, start_m=5, seed=100)  # each 5 m from an old photo
    add(photos("b", again), tmp_path / "town")
    new = open_dataset(tmp_path / "town")
    split_at = {round(lat, 6): splits_of(old)[id] for id, (lat, _) in positions_of(old).items()}
    for id, (lat, _) in positions_of(new).items():
        if id not in splits_of(old):
            assert splits_of(new)[id] == split_at[round(lat - 5 * METRE, 6)]


def test_none_trains_near_what_is_held_out(photos: Callable[..., Path], tmp_path: Path) -> None:
    made(photos("a", street(30)), tmp_path / "town", split={"gap": "40m"})
    done = add(photos("b", street(120, start_m=-10, step_m=26, seed=100)), tmp_path / "town")
    new = open_dataset(tmp_path / "town")
    train = new.split("train")
    for name in ("valid", "test"):
        held = new.split(name)
        metres = distance_km(held.lat[:, None], held.lon[:, None], train.lat, train.lon) * 1000
        assert metres.min() >= 40
    assert set(done.left_out) <= {BESIDE, *(GAP.format(gap="40 m", other=other) for other in ("held-out", "training"))}
    assert done.left_out[GAP.format(gap="40 m", other="held-out")] > 0
    assert sum(done.added.values()) + sum(done.left_out.values()) == 120
    assert new.left_out == done.left_out


def test_copies_of_what_is_there_are_left_out(photos: Callable[..., Path], tmp_path: Path) -> None:
    source = photos("a", street(30))
    before = made(source, tmp_path / "town")
    description = (tmp_path / "town" / "dataset.json").read_bytes()
    done = add(source, tmp_path / "town")
    assert done.left_out == {"the same file as another photo": 30}
    assert sum(done.added.values()) == 0
    assert (tmp_path / "town" / "dataset.json").read_bytes() == description
    assert open_dataset(tmp_path / "town").fingerprint == before.fingerprint
    # a copy that claims to be elsewhere is left out; the old one keeps its place and its split
    done = add(photos("b", [*street(1), *street(3, start_m=9000, seed=100)]), tmp_path / "town")
    assert done.left_out == {"the same file as another photo": 1}
    done = add(photos("c", [{"lat": 52.5, "lon": 0.1, "seed": 0}]), tmp_path / "town")
    assert done.left_out == {"the same file at different positions": 1}
    assert splits_of(open_dataset(tmp_path / "town")).keys() >= splits_of(before).keys()


def test_equal_names_of_other_photos_are_told_apart(photos: Callable[..., Path], tmp_path: Path) -> None:
    made(photos("a", street(30)), tmp_path / "town")
    add(photos("b", street(5, start_m=20_000, seed=100)), tmp_path / "town")
    add(photos("c", street(5, start_m=40_000, seed=200)), tmp_path / "town")
    ids = splits_of(open_dataset(tmp_path / "town"))
    assert len(ids) == 40
    assert {"0.jpg", "0.jpg (2)", "0.jpg (3)"} <= set(ids)


def test_a_group_is_not_divided_by_newcomers(photos: Callable[..., Path], tmp_path: Path) -> None:
    rows = [{**row, "owner": f"o{i // 3}"} for i, row in enumerate(street(60))]
    old = made(photos("a", rows), tmp_path / "town", split={"group": "owner"})
    newcomers = [{**row, "owner": f"o{i}"} for i, row in enumerate(street(20, start_m=30_000, seed=100))]
    done = add(photos("b", newcomers), tmp_path / "town")
    new = open_dataset(tmp_path / "town")
    owners: dict[str, set[str]] = {}
    for name in new.counts:
        split = new.split(name)
        for i in range(len(split)):
            owners.setdefault(str(split.record(i).extra["owner"]), set()).add(name)
    assert all(len(names) == 1 for names in owners.values())
    assert sum(done.added.values()) == 20  # at new places each goes where its owner is
    before = splits_of(old)
    held = next(i for i, row in enumerate(rows) if before[f"{i}.jpg"] == "test")
    trains = next(row["owner"] for i, row in enumerate(rows) if before[f"{i}.jpg"] == "train")
    beside = {"lat": rows[held]["lat"] + 5 * METRE, "lon": 0.1, "seed": 900, "owner": trains}
    done = add(photos("c", [beside]), tmp_path / "town")
    assert done.left_out == {TIED.format(group="owner"): 1}
    assert splits_of(new).items() >= splits_of(old).items()


def outings(days: Iterable[int], minutes: Iterable[int], camera: str = "Phone 1") -> list[Row]:
    """Walks of one phone, 80 m a minute; the outing stands in the file's name."""
    return [
        {
            "file": f"s{day:02}_{minute:02}.jpg", "lat": 52 + day * 0.02, "lon": 0.1 + minute * 80 * METRE / 0.61,
            "seed": 100 * day + minute, "time": 1_700_000_000 + 86_400 * day + 60 * minute, "camera": camera,
        }
        for day in days
        for minute in minutes
    ]  # fmt: skip


def torn(dataset: Dataset, outing: Callable[[str], str] = lambda id: id[:3]) -> set[str]:
    """What is in more than one split."""
    splits: dict[str, set[str]] = {}
    for id, name in splits_of(dataset).items():
        splits.setdefault(outing(id), set()).add(name)
    return {one for one, names in splits.items() if len(names) > 1}


@pytest.mark.parametrize("group", ["session", "camera", "device"])
def test_cameras_are_known_again(photos: Callable[..., Path], tmp_path: Path, group: str) -> None:
    def rows(minutes: Iterable[int]) -> list[Row]:
        if group == "session":
            return outings(range(20), minutes)
        found = [row for day in range(20) for row in outings([day], minutes, camera=f"Phone {day}")]
        return [{group: row.pop("camera"), **row} for row in found]

    made(photos("a", rows(range(0, 12, 2))), tmp_path / "town", split={"group": group})
    done = add(photos("b", rows(range(1, 12, 2))), tmp_path / "town")
    new = open_dataset(tmp_path / "town")
    assert sum(done.added.values()) == 120
    assert torn(new) == set()
    cameras = {new.split(name).record(i).extra["camera"] for name in new.counts for i in range(new.counts[name])}
    assert len(cameras) == (1 if group == "session" else 20)
    assert "Phone" not in (tmp_path / "town" / "dataset.json").read_text()


def test_a_second_column_of_cameras_is_stored_nowhere(photos: Callable[..., Path], tmp_path: Path) -> None:
    rows = [row for day in range(20) for row in outings([day], range(0, 6, 2))]
    source = photos("a", [{"device": f"Phone {i // 3}", **row} for i, row in enumerate(rows)])
    town = made(source, tmp_path / "town", split={"group": "device"})
    assert torn(town) == set()
    with pytest.raises(GeotuneError, match="knows its cameras by a number alone"):
        add(source, tmp_path / "town")


def test_no_hash_of_a_camera_is_kept_that_ties_nothing(photos: Callable[..., Path], tmp_path: Path) -> None:
    town = made(photos("a", outings(range(12), range(0, 12, 3))), tmp_path / "town")
    assert town.description.known.cameras == {}
    add(photos("b", outings(range(12), range(1, 12, 3))), tmp_path / "town")
    assert open_dataset(tmp_path / "town").description.known.cameras == {}


def test_an_outing_that_is_in_two_splits_takes_no_newcomer(photos: Callable[..., Path], tmp_path: Path) -> None:
    def at(minute: int, seed: int) -> list[Row]:  # two walks of nobody's camera, 50 minutes apart
        return [
            {"lat": 52 + day * 0.02, "lon": 0.1 + minute * 1e-6, "seed": 100 * seed + day,
             "time": 1_700_000_000 + 86_400 * day + 60 * minute}
            for day in range(20)
        ]  # fmt: skip

    apart = [{**row, "lat": row["lat"] + 300 * METRE} for row in at(50, 1)]
    made(photos("a", [*at(0, 0), *apart]), tmp_path / "town", split={"group": "session"})
    before = splits_of(open_dataset(tmp_path / "town"))
    bridged = sum(before[f"{i}.jpg"] != before[f"{i + 20}.jpg"] for i in range(20))
    assert bridged > 0
    done = add(photos("b", at(25, 2)), tmp_path / "town")
    assert done.left_out == {TIED.format(group="session"): bridged}


def test_named_places_stay_whole(photos: Callable[..., Path], tmp_path: Path) -> None:
    def rows(places: Iterable[int], off_m: float, seed: int) -> list[Row]:
        return [
            {"file": f"{place:03}{k}{seed}.jpg", "lat": 52 + place * 0.02 + (60 * k + off_m) * METRE, "lon": 0.1,
             "seed": seed * 1000 + place * 4 + k, "place": f"street {place}"}
            for place in places
            for k in range(4)
        ]  # fmt: skip

    made(photos("a", rows(range(30), 0, 0)), tmp_path / "town")
    assert "street" not in (tmp_path / "town" / "dataset.json").read_text()
    done = add(photos("b", rows(range(35), 30, 1)), tmp_path / "town")
    assert sum(done.added.values()) == 140
    done = add(photos("c", rows(range(25, 35), 10, 2)), tmp_path / "town")
    assert sum(done.added.values()) == 40
    assert torn(open_dataset(tmp_path / "town")) == set()


def test_a_region_grows_no_second_town(photos: Callable[..., Path], tmp_path: Path) -> None:
    made(photos("a", street(30)), tmp_path / "town", report=write_report)
    far = [{**row, "lat": row["lat"] - 4} for row in street(60, seed=100)]
    done = add(photos("b", [*far, *street(5, start_m=20_000, seed=200)]), tmp_path / "town", report=write_report)
    assert done.left_out == {FAR: 60}
    assert sum(done.added.values()) == 5
    made(photos("c", street(30)), tmp_path / "wide", clean={"keep_far": True})
    add(photos("d", far), tmp_path / "wide")
    assert open_dataset(tmp_path / "wide").extent == "world"


def test_newcomers_may_lack_the_columns_that_are_kept(photos: Callable[..., Path], tmp_path: Path) -> None:
    made(photos("a", street(30, owner="Ada", note="n")), tmp_path / "town", columns="owner,note")
    done = add(photos("b", street(5, start_m=20_000, seed=100)), tmp_path / "town")
    assert sum(done.added.values()) == 5


@pytest.mark.parametrize(
    ("new", "old"), [(["a", "a (2)"], ["a"]), (["a (2)", "a"], ["a"]), (["a", "a"], []), (["a", "a"], ["a", "a (2)"])]
)
def test_no_two_photos_get_one_name(new: list[str], old: list[str]) -> None:
    names = _unlike(pd.Series(new, dtype="str"), pd.Series(old, dtype="str"))
    assert len({*names, *old}) == len(new) + len(old)


def shard(folder: Path, rows: list[Row], **more: Any) -> Path:
    folder.mkdir()
    with (folder / "shard_0.msg").open("wb") as stream:
        for i, row in enumerate(rows):
            into = io.BytesIO()
            noise = np.random.default_rng(row["seed"]).integers(0, 256, (6, 8, 3), np.uint8)
            Image.fromarray(noise).resize((64, 48)).save(into, "JPEG", quality=85)
            given = {"id": str(i), "image": into.getvalue(), "latitude": row["lat"], "longitude": row["lon"], **more}
            stream.write(msgpack.packb(given))
    return folder


def test_ids_in_place_may_begin_anew(tmp_path: Path) -> None:
    made(shard(tmp_path / "a", street(30)), tmp_path / "town", in_place=True)
    add(shard(tmp_path / "b", street(30, start_m=20_000, seed=100)), tmp_path / "town")
    new = open_dataset(tmp_path / "town")
    assert len(splits_of(new)) == 60
    for name in new.counts:
        for i in range(len(new.split(name))):
            assert new.split(name).photo(i)


def test_groups_in_place_cannot_be_extended(tmp_path: Path) -> None:
    rows = street(30)
    made(shard(tmp_path / "a", rows, timestamp=1_700_000_000), tmp_path / "town", in_place=True)
    described = json.loads((tmp_path / "town" / "dataset.json").read_text())
    described["split"]["group"] = "burst"
    (tmp_path / "town" / "dataset.json").write_text(json.dumps(described))
    with pytest.raises(GeotuneError, match=r"no burst is divided in it .* lie in shards of others"):
        add(shard(tmp_path / "b", rows), tmp_path / "town")


def test_what_shards_of_others_call_their_hash_is_not_believed(tmp_path: Path) -> None:
    source = shard(tmp_path / "a", street(30), sha="0" * 32, phash=7)
    made(source, tmp_path / "town", in_place=True)
    done = add(source, tmp_path / "town")
    assert done.left_out == {DUPLICATE: 30}


def test_groups_that_were_not_kept_cannot_be_extended(photos: Callable[..., Path], tmp_path: Path) -> None:
    rows = [{**row, "owner": f"o{i // 3}"} for i, row in enumerate(street(60))]
    source = photos("a", rows)
    made(source, tmp_path / "town", split={"group": "owner"}, columns="none")
    with pytest.raises(GeotuneError, match=r"no owner is divided in it .* do not say theirs"):
        add(source, tmp_path / "town")


def test_the_settings_are_the_datasets_own(photos: Callable[..., Path], tmp_path: Path) -> None:
    source = photos("a", street(30, city="Ely"))
    made(source, tmp_path / "town", max_side=40, columns="none", split={"by": "block", "block": "200m"})
    add(photos("b", street(6, start_m=20_000, seed=100, city="Ely")), tmp_path / "town")
    new = open_dataset(tmp_path / "town")
    for name in new.counts:
        split = new.split(name)
        for i in range(len(split)):
            assert max(Image.open(io.BytesIO(split.photo(i))).size) == 40
            assert "city" not in split.record(i).extra
    assert new.description.settings["max_side"] == 40
    assert new.description.split["block"] == "200m"


def test_shards_in_place_and_copies_beside_each_other(photos: Callable[..., Path], tmp_path: Path) -> None:
    source = photos("a", street(30))
    shard = tmp_path / "shards" / "shard_0.msg"
    shard.parent.mkdir()
    with shard.open("wb") as stream:
        for i, row in enumerate(street(30)):
            image = (source.parent / f"{i}.jpg").read_bytes()
            stream.write(
                msgpack.packb({"id": f"p{i}", "image": image, "latitude": row["lat"], "longitude": row["lon"]})
            )
    made(shard.parent, tmp_path / "town", in_place=True)
    add(photos("b", [*street(5, start_m=20_000, seed=100), *street(2)]), tmp_path / "town")
    new = open_dataset(tmp_path / "town")
    assert sum(new.counts.values()) == 35  # the two copies of linked photos were seen
    assert splits_of(new).keys() >= {"p0", "0.jpg"}
    for name in new.counts:
        for i in range(len(new.split(name))):
            Image.open(io.BytesIO(new.split(name).photo(i))).load()


def test_the_report_keeps_what_was_left_out_before(photos: Callable[..., Path], tmp_path: Path) -> None:
    source = photos("a", street(30))
    (source.parent / "3.jpg").write_bytes(b"broken")
    made(source, tmp_path / "town", write_report)
    more = photos("b", street(5, start_m=20_000, seed=100))
    (more.parent / "2.jpg").unlink()
    add(more, tmp_path / "town", report=write_report)
    with (tmp_path / "town" / "cleaning.csv").open() as stream:
        rows = {(row["id"], row["reason"]) for row in csv.DictReader(stream) if row["left_out"] == "yes"}
    assert rows == {("3.jpg", "cannot be decoded"), ("2.jpg", "file not found")}
    assert open_dataset(tmp_path / "town").left_out == {"cannot be decoded": 1, "file not found": 1}


# ------------------------------------------------------------------------------------------ whole or not at all


@pytest.mark.parametrize("where", ["reading the dataset", "reading photos", "looking for faults", "writing shards"])
def test_an_interrupted_addition_changes_nothing(photos: Callable[..., Path], tmp_path: Path, where: str) -> None:
    made(photos("a", street(30)), tmp_path / "town")
    more = photos("b", street(30, start_m=20_000, seed=100))
    before = {path: path.read_bytes() for path in (tmp_path / "town").rglob("*") if path.is_file()}

    def interrupt(stage: str, done: int, of: int | None) -> None:
        if stage == where:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add(more, tmp_path / "town", on_progress=interrupt)
    assert {path: path.read_bytes() for path in (tmp_path / "town").rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "town"]


@pytest.mark.parametrize("moves", [0, 3, 5])
def test_a_kill_while_shards_are_moved_leaves_the_old_dataset(
    photos: Callable[..., Path], tmp_path: Path, moves: int
) -> None:
    old = made(photos("a", street(30)), tmp_path / "town")
    more = photos("b", street(30, start_m=20_000, seed=100))
    code = (
        "import os, shutil, sys\n"
        "from pathlib import Path\n"
        "from geotune.data.importing import extend\n"
        "from geotune.data.writing import append\n"
        "from geotune.data.sources.kinds import source_of\n"
        "plain, left = shutil.move, [int(sys.argv[3])]\n"
        "def move(*given):\n"
        "    if left[0] == 0: os.kill(os.getpid(), 9)\n"
        "    left[0] -= 1; return plain(*given)\n"
        "append.shutil.move = move\n"
        "extend.add_photos(source_of(sys.argv[1]), Path(sys.argv[2]))"
    )
    words = [sys.executable, "-c", code, str(more), str(tmp_path / "town"), str(moves)]
    assert subprocess.run(words, check=False, capture_output=True).returncode == -signal.SIGKILL
    left = open_dataset(tmp_path / "town")
    assert (left.fingerprint, left.counts) == (old.fingerprint, old.counts)
    assert splits_of(left) == splits_of(old)
    add(more, tmp_path / "town")  # what lies about does no harm, and is gone at the end
    assert sum(open_dataset(tmp_path / "town").counts.values()) == 60
    for name in ("train", "valid", "test"):
        split = open_dataset(tmp_path / "town").split(name)
        assert all(split.photo(i) for i in range(len(split)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "town"]


def test_two_at_once_are_refused(photos: Callable[..., Path], tmp_path: Path) -> None:
    source = photos("a", street(30))
    made(source, tmp_path / "town")
    with FileLock(tmp_path / ".town.lock"), pytest.raises(GeotuneError, match="being added to it already"):
        add(source, tmp_path / "town")


def test_a_dataset_that_changed_meanwhile_is_refused(photos: Callable[..., Path], tmp_path: Path) -> None:
    made(photos("a", street(30)), tmp_path / "town")
    more = photos("b", street(3, start_m=20_000, seed=100))
    described = tmp_path / "town" / "dataset.json"

    def meddle(stage: str, done: int, of: int | None) -> None:
        described.write_bytes(described.read_bytes() + b" ")

    files = sorted((tmp_path / "town").rglob("*"))
    with pytest.raises(GeotuneError, match="changed while photos were added"):
        add(more, tmp_path / "town", on_progress=meddle)
    assert sorted((tmp_path / "town").rglob("*")) == files


def test_what_cannot_be_extended_says_so(photos: Callable[..., Path], dataset: Dataset, tmp_path: Path) -> None:
    source = photos("a", street(30))
    with pytest.raises(GeotuneError, match="not made by geotune data import"):
        add(source, dataset.folder)
    with pytest.raises(GeotuneError, match="no such folder"):
        add(source, tmp_path / "nowhere")
    more = photos("b", outings(range(12), range(0, 12, 2)))
    for group in ("camera", "session"):
        made(more, tmp_path / group)
        described = json.loads((tmp_path / group / "dataset.json").read_text())
        described["split"]["group"] = group
        (tmp_path / group / "dataset.json").write_text(json.dumps(described))
        with pytest.raises(GeotuneError, match="knows its cameras by a number alone"):
            add(more, tmp_path / group)
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]  # noqa: PTH208
