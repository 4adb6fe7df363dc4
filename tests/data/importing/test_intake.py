"""Taking in, and what comes into the records: see test_importer.py for the whole way."""

import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from geotune.data.importing.intake import NO_ID, Intake, Taking, taken_in
from geotune.data.importing.spool import Spool
from geotune.data.sources.files import Held
from geotune.data.sources.found import LeftOut, Photo
from geotune.errors import GeotuneError


class Source:
    """A source that is not on a disk."""

    path = Path()

    def __init__(self, found: Iterator[Photo | LeftOut]) -> None:
        self._found = found

    def scan(self) -> Iterator[Photo | LeftOut]:
        return self._found


def noisy(i: int, side: int = 64) -> bytes:
    into = io.BytesIO()
    noise = np.random.default_rng(i).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(noise).resize((side, side)).save(into, "JPEG")
    return into.getvalue()


def photo(i: int, **more: Any) -> Photo:
    return Photo(f"p{i}", 50 + i / 1000, 1.0, Held(noisy(i)), **more)


def take(found: list[Photo | LeftOut], tmp_path: Path, **given: Any) -> Any:
    how = Taking(**{"max_side": 512, "quality": 90, "smallest_px": 32, **given})
    return taken_in(Source(iter(found)), how, tmp_path, lambda *now: None)  # type: ignore[arg-type]


def test_photos_and_what_is_left_out_keep_their_order(tmp_path: Path) -> None:
    found = [photo(0), LeftOut("x", "no image"), photo(1), Photo("bad", 1, 2, Held(b"?")), photo(2)]
    with take(found, tmp_path) as intake:
        assert intake.catalogue["id"].tolist() == ["p0", "p1", "p2"]
        assert [item.id for item in intake.left_out] == ["x", "bad"]
        for row in range(3):
            offset, length = (int(intake.catalogue[name][row]) for name in ("offset", "length"))
            assert intake.photo(offset, length) == (noisy(row), {})
            assert intake.image(row) == noisy(row)
        assert [path.name for path in tmp_path.iterdir()] == ["photos"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("columns", "kept"),
    [("all", {"city": "Ely", "n": 3}), ("none", {}), ("n", {"n": 3}), ("n, city", {"city": "Ely", "n": 3})],
)
def test_other_columns_are_kept_as_asked(tmp_path: Path, columns: str, kept: dict[str, Any]) -> None:
    extra = {"city": "Ely", "n": 3, "sha": "a lie", "empty": "", "nan": float("nan"), "owner": "Ada"}
    with take([photo(0, extra=extra)], tmp_path, columns=columns, group="owner") as intake:
        row = intake.catalogue.iloc[0]
        stored = intake.photo(int(row["offset"]), int(row["length"]))[1]
        assert {name: value for name, value in stored.items() if name != "owner"} == kept
        assert row["group"] == "Ada"


def test_what_names_a_camera_is_kept_only_by_name(tmp_path: Path) -> None:
    private = {"exif": '{"SerialNumber": "7"}', "EXIF:Model": "X", "meta.exif.Artist": "Ada", "device_id": "IMEI-4711",
               "Camera Model": "X", "phone.device": "7", "Body-Serial-Number": "7"}  # fmt: skip
    for columns, kept in (("all", {"city": "Ely"}), ("device_id,city", {"city": "Ely", "device_id": "IMEI-4711"})):
        with take([photo(0, extra=private | {"city": "Ely"})], tmp_path, columns=columns) as intake:
            row = intake.catalogue.iloc[0]
            assert intake.photo(int(row["offset"]), int(row["length"]))[1] == kept
            assert sorted(intake.columns) == sorted(kept)


def test_a_column_that_no_photo_has(tmp_path: Path) -> None:
    with (
        pytest.raises(GeotuneError, match=r"no photo has town; other columns are: city"),
        take([photo(0, extra={"city": "Ely"})], tmp_path, columns="city,town"),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_in_place_only_records_with_an_id_are_used(tmp_path: Path) -> None:
    shard = tmp_path / "shard_0.msg"
    found = [photo(0, at=(shard, 7, 11)), photo(1)]
    with take(found, tmp_path, in_place=True) as intake:
        assert intake.left_out == [LeftOut("p1", NO_ID)]
        assert intake.in_place
        row = intake.catalogue.iloc[0]
        assert (intake.shard(0), row["offset"], row["length"]) == (shard, 7, 11)
        assert intake.image(0) is None  # there is no such shard


def test_memory_holds_only_photos_in_work(tmp_path: Path) -> None:
    data = noisy(1, 512)

    def many(count: int) -> Iterator[Photo]:
        for i in range(count):
            yield Photo(f"p{i}", 1, 2, Held(data + bytes(1_000_000) + b"%d" % i))

    def peak(count: int) -> float:
        tracemalloc.start()
        with take(many(count), tmp_path) as intake:  # type: ignore[arg-type]
            assert len(intake.catalogue) == count
        found = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        return found

    few, more = peak(50), peak(300)
    assert more < few + 30  # 250 MB more went through


def test_an_interruption_stops_the_work(tmp_path: Path) -> None:
    asked: list[int] = []

    def endless() -> Iterator[Photo]:
        for i in range(10**9):
            asked.append(i)
            yield photo(i % 50)

    def interrupt(stage: str, done: int, of: int | None) -> None:
        if done == 5:
            raise KeyboardInterrupt

    how = Taking(512, 90, 32)
    with pytest.raises(KeyboardInterrupt), taken_in(Source(endless()), how, tmp_path, interrupt):  # type: ignore[arg-type]
        pass
    assert len(asked) < 400
    assert not list(tmp_path.iterdir())


def test_a_spool_gives_back_what_it_got(tmp_path: Path) -> None:
    with Spool(tmp_path / "photos") as spool:
        content = [(noisy(i)[: 10 * i], {"n": i, "é": "ü" * i} if i % 2 else {}) for i in range(20)]
        at = [spool.add(*item) for item in content]
        for i in (5, 0, 19, 7):
            assert spool.photo(at[i], len(content[i][0])) == content[i]
            assert spool.jpeg(at[i], len(content[i][0])) == content[i][0]
    assert not list(tmp_path.iterdir())


def test_an_intake_of_nothing(tmp_path: Path) -> None:
    with take([], tmp_path) as intake:
        assert isinstance(intake, Intake)
        assert len(intake.catalogue) == 0
