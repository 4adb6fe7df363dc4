import csv
import io
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from geotune.config import build
from geotune.data.dataset import Dataset, open_dataset
from geotune.data.importing.importer import Imported, ImportSettings, import_photos
from geotune.data.importing.prepare import sha_of
from geotune.data.sources.kinds import source_of
from geotune.errors import GeotuneError, SettingsError


def settings(source: Path, **given: Any) -> ImportSettings:
    chosen = source_of(source, images=given.pop("images", None))
    return build(ImportSettings, {"source": chosen.model_dump(), **given})


def run(source: Path, out: Path, **given: Any) -> Imported:
    return import_photos(settings(source, **given), out)


@pytest.fixture
def table(tmp_path: Path, jpeg: Callable[..., bytes]) -> Path:
    """Twelve photos, 100 m apart, of which one is broken and one missing."""
    (tmp_path / "src").mkdir()
    lines = ["file,latitude,longitude"]
    for i in range(12):
        if i != 4:
            (tmp_path / "src" / f"{i}.jpg").write_bytes(b"\xff\xd8broken" if i == 5 else jpeg(i))
        lines.append(f"{i}.jpg,{52 + i / 1112},0.1")
    (tmp_path / "src" / "labels.csv").write_text("\n".join(lines))
    return tmp_path / "src" / "labels.csv"


def test_a_table_becomes_a_dataset(table: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    out = tmp_path / "data" / "town"
    import_photos(settings(table), out, on_progress=lambda *now: told.append(now))
    dataset = open_dataset(out)
    assert (dataset.name, dataset.extent) == ("town", "region")
    assert sum(dataset.counts.values()) == 10
    assert dict(dataset.left_out) == {"file not found": 1, "cannot be decoded": 1}
    splits = [dataset.split(name) for name in dataset.counts]
    found = {str(split.ids[i]): split.lat[i] for split in splits for i in range(len(split))}
    assert found == {f"{i}.jpg": pytest.approx(52 + i / 1112) for i in range(12) if i not in (4, 5)}
    assert told[11] == ("reading photos", 12, None)
    assert told[-1] == ("writing shards", 10, 10)
    assert sorted(p.name for p in table.parent.iterdir()) == sorted(
        [f"{i}.jpg" for i in range(12) if i != 4] + ["labels.csv"]
    )


def test_the_same_source_gives_the_same_bytes(table: Path, tmp_path: Path) -> None:
    run(table, tmp_path / "a")
    run(table, tmp_path / "b")
    assert open_dataset(tmp_path / "a").fingerprint == open_dataset(tmp_path / "b").fingerprint


@pytest.mark.photos
def test_cambridge_by_block(real_photos: Path, tmp_path: Path) -> None:
    done = run(
        real_photos / "cambridge" / "labels.csv", tmp_path / "town", split={"by": "block", "block": "50m"}, max_side=128
    )
    dataset = open_dataset(done.out)
    assert dataset.extent == "region"
    assert sum(dataset.counts.values()) == 2852
    assert done.left_out == {"the same file as another photo": 12}
    with (real_photos / "cambridge" / "labels.csv").open() as stream:
        named = {row["file"]: row["place"] for row in csv.DictReader(stream)}
    places = {name: {named[str(i)] for i in dataset.split(name).ids} for name in dataset.counts}
    assert not places["train"] & places["test"]
    assert not places["train"] & places["valid"]
    assert not places["valid"] & places["test"]


@pytest.mark.photos
def test_phone_photos(real_photos: Path, tmp_path: Path) -> None:
    done = run(real_photos / "phone", tmp_path / "phone")
    dataset = open_dataset(done.out)
    assert dataset.extent == "world"
    assert sum(dataset.counts.values()) == 8
    for name in dataset.counts:
        split = dataset.split(name)
        for i in range(len(split)):
            picture = Image.open(io.BytesIO(split.photo(i)))
            assert max(picture.size) <= 512
            assert not picture.getexif()


def test_an_existing_folder_is_refused_before_any_work(table: Path, tmp_path: Path) -> None:
    (tmp_path / "town" / "mine").mkdir(parents=True)
    told: list[object] = []
    with pytest.raises(GeotuneError, match="exists already"):
        import_photos(settings(table), tmp_path / "town", on_progress=lambda *now: told.append(now))
    assert told == []


@pytest.mark.parametrize("where", ["reading photos", "writing shards"])
def test_an_interrupted_import_leaves_nothing(table: Path, tmp_path: Path, where: str) -> None:
    def interrupt(stage: str, done: int, of: int | None) -> None:
        if (stage, done) == (where, 3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_photos(settings(table), tmp_path / "data" / "town", on_progress=interrupt)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["src"]


def test_nothing_to_import_is_said_with_the_reasons(tmp_path: Path, jpeg: Callable[..., bytes]) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    with pytest.raises(GeotuneError, match="no photo with a position, it is empty"):
        run(folder, tmp_path / "out")
    (folder / "a.jpg").write_bytes(jpeg(0))
    with pytest.raises(GeotuneError, match=r"1 no GPS position in EXIF \(a.jpg\)") as caught:
        run(folder, tmp_path / "out")
    assert "original files" in caught.value.hint
    (folder / "labels.csv").write_text("file,lat,lon\nimg/a.jpg,1,2\n")
    with pytest.raises(GeotuneError) as caught:
        run(folder, tmp_path / "out")
    assert f"geotune data import {folder / 'labels.csv'} OUT" in caught.value.hint
    with pytest.raises(GeotuneError, match="1 file not found") as caught:
        run(folder / "labels.csv", tmp_path / "out")
    assert f"sought in {folder}; name another folder with --images" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_too_few_places_are_said_with_what_was_left_out(table: Path, tmp_path: Path) -> None:
    table.write_text("file,latitude,longitude\n0.jpg,52,0.1\n1.jpg,,\n4.jpg,52,0.1\n")
    with pytest.raises(GeotuneError, match="at least three places") as caught:
        run(table, tmp_path / "out")
    assert "1 no coordinates (1.jpg)\n    1 file not found (4.jpg)" in caught.value.problem


def test_settings_are_checked(table: Path) -> None:
    with pytest.raises(SettingsError, match=r"max_side +expected a value at least 32; got 3"):
        settings(table, max_side=3)


def test_what_the_gap_leaves_out_is_counted_and_listed(table: Path, tmp_path: Path) -> None:
    reports: list[tuple[Any, ...]] = []

    def report(*given: Any, **more: Any) -> None:
        pictures = {path.name: given[4](path.name) for path in table.parent.iterdir()}
        reports.append((*given[:4], pictures, more["splits"]))

    chosen = settings(table, split={"gap": "150m", "seed": 3})
    done = import_photos(chosen, tmp_path / "out", report=report)
    reason = "within 150 m of a held-out photo (--gap)"
    assert done.left_out[reason] > 0
    assert sum(open_dataset(done.out).counts.values()) == 10 - done.left_out[reason]
    _, catalogue, findings, cases, pictures, splits = reports[0]
    assert Counter(case.reason for case in [*cases, *findings] if case.left_out) == done.left_out
    assert (splits == "").sum() == done.left_out[reason]
    near = next(case for case in cases if case.reason == reason)
    assert near.lat == pytest.approx(catalogue.set_index("id")["lat"][near.id])
    assert Image.open(io.BytesIO(pictures[near.id])).size == (64, 48)
    assert pictures["labels.csv"] is None


def test_a_record_says_what_camera_and_source_said(table: Path, tmp_path: Path, jpeg: Callable[..., bytes]) -> None:
    rows = [f"{i}.jpg,{52 + i / 1112},0.1,Ada,Nikon,{2 * i},5" for i in range(4)]
    table.write_text("\n".join(["file,latitude,longitude,owner,camera,heading,gps_error_m", *rows]))
    run(table, tmp_path / "out")
    dataset = open_dataset(tmp_path / "out")
    for name in dataset.counts:
        split = dataset.split(name)
        for i in range(len(split)):
            told, number = split.record(i).extra, int(split.ids[i].removesuffix(".jpg"))
            assert {key: told[key] for key in ("camera", "heading", "gps_error_m")} == {
                "camera": 1, "heading": 2 * number, "gps_error_m": 5,
            }  # fmt: skip
            assert told["owner"] == b"Ada"
            assert told["sha"].decode() == sha_of(jpeg(number))
            assert "time" not in told


@pytest.mark.parametrize("keep_far", [False, True])
def test_one_stray_makes_no_world_of_a_town(table: Path, tmp_path: Path, keep_far: bool) -> None:
    table.write_text(table.read_text() + "\nfar.jpg,-33,151")
    Image.new("RGB", (64, 64), "teal").save(table.parent / "far.jpg")
    done = run(table, tmp_path / "out", clean={"keep_far": keep_far})
    assert open_dataset(done.out).extent == ("world" if keep_far else "region")
    assert done.left_out["far from all others"] == (not keep_far)


def test_a_killed_import_leaves_no_dataset_and_the_next_sweeps(table: Path, tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from geotune.data.importing import importer\n"
        "from geotune.config import build; from geotune.data.sources.kinds import source_of\n"
        "def tell(stage, done, of):\n"
        "    if (stage, done) == ('writing shards', 5): os.kill(os.getpid(), 9)\n"
        "given = {'source': source_of(sys.argv[1]).model_dump()}\n"
        "importer.import_photos(build(importer.ImportSettings, given), Path(sys.argv[2]), on_progress=tell)"
    )
    subprocess.run([sys.executable, "-c", code, str(table), str(tmp_path / "out")], check=False)
    assert not (tmp_path / "out").exists()
    assert len(list(tmp_path.glob(".out.part-*"))) == 1
    run(table, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "src"]


@pytest.mark.skipif(os.name == "nt", reason="a limit of file sizes stands in for a full disk")
def test_a_full_disk_is_said_and_leaves_nothing(table: Path, tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from geotune.cli import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"
        "main(['data', 'import', *sys.argv[1:]])"
    )
    words = [sys.executable, "-c", code, str(table), str(tmp_path / "data" / "out")]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "out: cannot be written (File too large)\n  free some space" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["src"]


def named(tmp_path: Path, jpeg: Callable[..., bytes], columns: str, row: Callable[[int], str]) -> Path:
    """60 photos, 60 m apart on a street; `columns` and what `row` says of each come after the position."""
    (tmp_path / "src").mkdir()
    lines = [f"file,latitude,longitude,{columns}"]
    for i in range(60):
        (tmp_path / "src" / f"{i}.jpg").write_bytes(jpeg(i))
        lines.append(f"{i}.jpg,{52 + i * 60 / 111_195},0.1,{row(i)}")
    (tmp_path / "src" / "labels.csv").write_text("\n".join(lines))
    return tmp_path / "src" / "labels.csv"


def splits_by(dataset: Dataset, of: Callable[[int], object]) -> dict[object, set[str]]:
    found: dict[object, set[str]] = {}
    for name in dataset.counts:
        for id in dataset.split(name).ids:
            found.setdefault(of(int(str(id).removesuffix(".jpg"))), set()).add(name)
    return found


@pytest.mark.parametrize("group", ["device", "date", "heading"])
def test_a_column_that_was_understood_may_tie_photos(tmp_path: Path, jpeg: Callable[..., bytes], group: str) -> None:
    said = {"device": lambda i: f"o{i // 3}", "date": lambda i: f"2024-05-{i // 3 + 1:02}", "heading": lambda i: i // 3}
    source = named(tmp_path, jpeg, group, lambda i: str(said[group](i)))
    run(source, tmp_path / "town", split={"group": group})
    assert all(len(splits) == 1 for splits in splits_by(open_dataset(tmp_path / "town"), lambda i: i // 3).values())


def test_one_photo_without_a_place_tears_no_other(tmp_path: Path, jpeg: Callable[..., bytes]) -> None:
    source = named(tmp_path, jpeg, "place", lambda i: f"p{i // 6}" if i else "")
    done = run(source, tmp_path / "town")
    splits = splits_by(open_dataset(tmp_path / "town"), lambda i: i // 6 if i else -1)
    assert all(len(names) == 1 for names in splits.values())
    assert done.on_places.startswith("1 of 60 photos name no place")
    assert run(source, tmp_path / "blocks", split={"by": "block"}).on_places.endswith("--split place does.")
    (tmp_path / "other").mkdir()
    assert run(named(tmp_path / "other", jpeg, "note", lambda i: "x"), tmp_path / "plain").on_places == ""
