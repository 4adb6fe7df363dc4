import math
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from geotune.config import build
from geotune.data.catalogue import COLUMNS, CatalogueBuilder, catalogue_of
from geotune.data.dataset import Dataset, open_dataset
from geotune.data.importing.importer import ImportSettings, import_photos
from geotune.data.importing.prepare import Look, sha_of
from geotune.data.known import Known
from geotune.data.sources.found import LeftOut, Photo
from geotune.data.sources.kinds import source_of
from geotune.data.split import SPLITS
from geotune.data.writing.writer import DatasetWriter
from geotune.errors import GeotuneError


def photo(i: int, **more: object) -> Photo:
    return Photo(f"p{i}", 50.0 + i, -i / 2, bytes, **more)  # type: ignore[arg-type]


def test_it_gives_back_what_was_added() -> None:
    builder = CatalogueBuilder()
    builder.add(photo(0), Look(640, 480, "ab" * 16, 2**64 - 1), group="Ada", camera=builder.camera("X"), length=9)
    builder.add(photo(1, place="é", split="val", time=5.5, heading=90.0, gps_error_m=3.0), Look(1, 2, "", 0), offset=9)
    builder.add(Photo("\udcff🐟", 1, 2, bytes), Look(1, 2, "", 7))
    frame = builder.frame()
    assert tuple(frame.columns) == COLUMNS
    first, second, third = (frame.iloc[i] for i in range(3))
    assert (first["id"], first["lat"], first["lon"], first["phash"]) == ("p0", 50.0, 0.0, 2**64 - 1)
    assert (first["group"], first["camera"], first["offset"], first["length"]) == ("Ada", 1, 0, 9)
    assert math.isnan(first["time"])
    assert (second["place"], second["split"], second["time"], second["gps_error_m"]) == ("é", "val", 5.5, 3.0)
    assert third["id"] == "?🐟"  # a file name of strange bytes
    assert frame["phash"].dtype == np.uint64
    assert (frame["id"] == "p1").tolist() == [False, True, False]
    assert frame["id"].to_numpy(str).tolist() == ["p0", "p1", "?🐟"]


def test_an_empty_one_has_its_columns() -> None:
    frame = CatalogueBuilder().frame()
    assert (tuple(frame.columns), len(frame)) == (COLUMNS, 0)


def test_cameras_are_numbers_in_order_of_appearance() -> None:
    known = Known()
    builder = CatalogueBuilder(known, cameras=4)
    assert [builder.camera(name) for name in ("b", "", "a", "b", "a")] == [5, 0, 6, 5, 6]
    again = CatalogueBuilder(Known.model_validate_json(known.model_dump_json()))
    assert [again.camera(name) for name in ("c", "a", "b", "d")] == [7, 6, 5, 8]
    assert Known().cameras != known.cameras


def test_it_holds_no_object_a_photo() -> None:
    tracemalloc.start()
    builder = CatalogueBuilder()
    for i in range(20_000):
        builder.add(photo(i), Look(640, 480, f"{i:032x}", i), group="somebody", offset=i, length=i)
    frame = builder.frame()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(frame) == 20_000
    assert held / 20_000 < 260


def test_a_datasets_catalogue(dataset: Dataset) -> None:
    told: list[tuple[int, int]] = []
    frame = catalogue_of(dataset, lambda *now: told.append(now))
    assert told[-1] == (30, 30)
    assert frame["split"].tolist() == [name for name in SPLITS for _ in range(10)]
    for row, name in ((0, "train"), (29, "test")):
        split = dataset.split(name)
        i = row % 10
        assert frame["id"][row] == split.ids[i]
        assert (frame["lat"][row], frame["place"][row]) == (split.lat[i], str(split.place[i]))
        assert (frame["width"][row], frame["height"][row]) == (64, 48)
        assert frame["sha"][row] == sha_of(split.photo(i))
    assert frame["phash"].nunique() == 30


def imported(tmp_path: Path, jpeg: Callable[..., bytes]) -> Dataset:
    (tmp_path / "src").mkdir()
    lines = ["file,latitude,longitude,heading,time,camera,owner"]
    for i in range(12):
        (tmp_path / "src" / f"{i}.jpg").write_bytes(jpeg(i, 300, 400))
        lines.append(f"{i}.jpg,{52 + i / 100},0.1,{i},{1_700_000_000 + i},Nikon {i % 2},o{i // 2}")
    (tmp_path / "src" / "labels.csv").write_text("\n".join(lines))
    source = source_of(tmp_path / "src" / "labels.csv")
    given = {"source": source.model_dump(), "max_side": 200, "split": {"group": "owner"}}
    import_photos(build(ImportSettings, given), tmp_path / "town")
    return open_dataset(tmp_path / "town")


def test_a_dataset_remembers_what_its_import_saw(tmp_path: Path, jpeg: Callable[..., bytes]) -> None:
    town = imported(tmp_path, jpeg)
    for decode in (True, False):
        frame = catalogue_of(town, decode=decode).set_index("id")
        for i in range(12):
            row = frame.loc[f"{i}.jpg"]
            assert row["sha"] == sha_of((tmp_path / "src" / f"{i}.jpg").read_bytes())  # of the file it was made of
            assert (row["heading"], row["time"], row["group"]) == (i, 1_700_000_000 + i, f"o{i // 2}")
            assert row["camera"] == i % 2 + 1
            assert (row["width"], row["height"]) == (200, 150)
    content = b"".join(path.read_bytes() for path in (tmp_path / "town").rglob("*") if path.is_file())
    assert b"Nikon" not in content  # a number, not the camera


def test_photos_that_do_not_decode_are_told_damaged_shards_refused(tmp_path: Path, jpeg: Callable[..., bytes]) -> None:
    with DatasetWriter(tmp_path / "bad", name="bad", extent="world", split={}) as writer:
        for i, name in enumerate(SPLITS):
            writer.add(name, f"good{i}", jpeg(i), 1, 2, i)
        writer.add("valid", "broken", b"no picture", 1, 2, 3)
    left_out: list[LeftOut] = []
    frame = catalogue_of(open_dataset(tmp_path / "bad"), on_left_out=left_out.append)
    assert frame["id"].tolist() == ["good0", "good1", "good2"]
    assert left_out == [LeftOut("broken", "cannot be decoded")]
    shard = tmp_path / "bad" / "train" / "shard_0.msg"
    content = bytearray(shard.read_bytes())
    content[:20] = bytes(20)
    shard.write_bytes(content)
    with pytest.raises(GeotuneError, match="damaged at photo good0"):
        catalogue_of(open_dataset(tmp_path / "bad"))
