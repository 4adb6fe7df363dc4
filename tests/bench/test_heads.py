"""The bench of heads runs, on a few photos, and says all that it promises; its figures mean nothing here."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.train.conftest import jpeg

SCRIPTS = Path(__file__).parents[2] / "scripts" / "bench"
ANSWERS = ("mean place", "nearest photo", "nearest place")
HEADS = ("regression", "cells", "hierarchical", "hybrid", "multitask", "mixture", "retrieval")
CELLS = ("cells of kmeans", "cells of borders")


def run(folder: Path, script: str, *words: object) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "GEOTUNE_CACHE"}
    return subprocess.run(
        [sys.executable, str(SCRIPTS / script), *map(str, words)],
        capture_output=True, text=True, check=False, env=environment | {"TMPDIR": str(folder)},
    )  # fmt: skip


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """60 photos of 15 spots, 100 m apart, with a labels.csv."""
    folder, rng = tmp_path / "town", np.random.default_rng(0)
    folder.mkdir()
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "latitude", "longitude"])
        for photo in range(60):
            north, east = divmod(photo // 4, 5)
            (folder / f"{photo}.jpg").write_bytes(jpeg(north / 3, east / 5, rng))
            table.writerow([f"{photo}.jpg", 48.85 + 0.001 * north, 2.35 + 0.001 * east])
    return folder


@pytest.mark.slow
def test_a_quick_run_gives_every_figure(town: Path, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    done = run(tmp_path / "tmp", "heads.py", "--quick", "--photos", town, "--json", tmp_path / "found.json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    wanted = [f"demo-block/{head}" for head in (*ANSWERS, *HEADS, *CELLS)]
    wanted += [f"town/{head}" for head in (*ANSWERS, *HEADS)]
    assert list(found) == wanted
    for key, row in found.items():
        assert row["low"] <= row["median"] <= row["high"]
        assert row["mean_low"] <= row["mean"] <= row["mean_high"]
        assert row["baseline"] == found[f"{key.partition('/')[0]}/nearest photo"]["median"]
        assert row["verdict"] in ("better", "worse", "noise")
    assert found["demo-block/nearest photo"]["verdict"] == "noise"  # against itself
    assert found["demo-block/cells of borders"]["crossing"] == 0 < found["demo-block/cells of kmeans"]["crossing"]
    assert found["demo-block/cells of borders"]["cells"] == found["demo-block/cells of kmeans"]["cells"]
    assert "| | demo-block, km | town, m | s an epoch |" in done.stdout
    for text in ("| hybrid | ", "cells within borders against k-means", "building quadtree"):
        assert text in done.stdout
    assert not list((tmp_path / "tmp").glob("geotune-bench-*"))  # it tidies up


def test_a_folder_without_photos_is_told(tmp_path: Path) -> None:
    done = run(tmp_path, "heads.py", "--quick", "--photos", tmp_path / "none")
    assert done.returncode == 2
    assert "none: no folder with a labels.csv" in done.stderr
    assert "Traceback" not in done.stderr


def test_building_times_of_every_kind(tmp_path: Path) -> None:
    done = run(tmp_path, "cell_times.py", "--points", 2000, "--json", tmp_path / "times.json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "times.json").read_text())
    assert list(found) == [f"{kind}/2000" for kind in ("kmeans", "borders", "countries", "s2", "quadtree")]
    assert found["kmeans/2000"]["cells"] == found["borders/2000"]["cells"] == 500
    assert all(row["seconds"] > 0 for row in found.values())
