"""Too few photos, one place, no place, cells that do not fit: told with a mend and exit code 2, or done and said."""

from pathlib import Path

import numpy as np
import pytest

from geotune.data.writing.writer import DatasetWriter
from tests.train.conftest import jpeg, write

TINY = (
    "model.backbone=test_resnet", "model.weights=none", "input.sizes=32", "input.augment=none", "train.epochs=1",
    "train.batch_size=16", "device=cpu",
)  # fmt: skip
FROZEN = "model.frozen_layers=5"
CITIES = [(48.85, 2.35), (52.5, 13.4), (41.9, 12.5), (40.4, -3.7)]
BRASILIA, ATLANTIC = (-15.8, -47.9), (0.0, -30.0)
BOXES = "cluster_id,min_lat,min_lon,max_lat,max_lon,mean_lat,mean_lon\n0,50,-10,52,0,51.75,-1.25\n"
HEADS = ("regression", "cells", "hybrid", "hierarchical", "multitask", "mixture", "retrieval")


def dataset(out: Path, places: list[tuple[str, float, float]], extent: str) -> Path:
    rng = np.random.default_rng(0)
    with DatasetWriter(out, name="bad", extent=extent, split={"by": "place", "question": "at new spots"}) as writer:
        for number, (split, lat, lon) in enumerate(places):
            writer.add(split, str(number), jpeg(*rng.random(2), rng), lat, lon, number)
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    write(folder / "town")
    splits = ["train"] * 12 + ["valid"] * 3 + ["test"] * 3
    dataset(folder / "spot", [(split, 51.75, -1.25) for split in splits], "region")
    dataset(folder / "sea", [(split, 0.001 * n, -30.0) for n, split in enumerate(splits)], "region")
    known = [("train", lat + 0.1 * n, lon) for lat, lon in CITIES for n in range(5)]
    held_out = [(split, *place) for split in ("valid", "test") for place in (*CITIES, BRASILIA, ATLANTIC)]
    dataset(folder / "countries", known + held_out, "world")
    return folder


@pytest.fixture
def train(geotune, folder, tmp_path, monkeypatch):
    """`train("town", …)` -> exit code, stdout, stderr of a short training on one of the datasets."""
    monkeypatch.setenv("GEOTUNE_CACHE", str(folder / "cache"))

    def run(data, *words):
        return geotune("train", f"data={folder / data}", f"out={tmp_path / 'out'}", *TINY, *words)

    return run


def test_fewer_photos_than_cells_is_done_and_said(train):
    code, out, err = train("town", FROZEN, "model.head.name=cells", "model.head.cells=10000")
    assert code == 0
    assert "valid median" in out
    assert "30 cells instead of 10000: the photos stand on no more spots" in out + err


@pytest.mark.parametrize("head", HEADS)
def test_one_photo_trains_every_head(train, head):
    code, out, err = train("town", FROZEN, "input.fraction=0.001", f"model.head.name={head}")
    assert code == 0, err
    assert "valid median" in out
    if head in ("cells", "hybrid", "hierarchical", "multitask"):
        assert "a single cell: there is nothing to choose between" in out + err


@pytest.mark.parametrize(
    ("words", "problem", "mend"),
    [
        (["input.fraction=0.001"], "1 training photo", "more photos"),
        (["train.batch_size=1"], "=1", "batch_size=16"),
        (["train.epoch_photos=1"], "train.epoch_photos=1", "epoch_photos=16"),
    ],
)
def test_one_photo_at_a_time_trains_no_batch_norm(geotune, folder, tmp_path, words, problem, mend):
    short = [word for word in TINY if not word.startswith("train.batch_size")]
    code, _, err = geotune("train", f"data={folder / 'town'}", f"out={tmp_path / 'out'}", *short, *words)
    assert code == 2
    assert f"{problem}: the BatchNorm of test_resnet learns from several photos at once" in err
    assert "model.frozen_layers=5" in err
    assert mend in err


@pytest.mark.parametrize("head", HEADS)
def test_all_photos_in_one_place(train, head):
    code, out, err = train("spot", FROZEN, f"model.head.name={head}")
    assert code == 0, err
    assert "valid median 0." in out


@pytest.mark.parametrize("value", [float("nan"), 95.0])
@pytest.mark.parametrize("command", [("train", *TINY, "data="), ("data", "cells", "")])
def test_coordinates_that_are_no_place_are_told(geotune, tmp_path, value, command):
    bad = [("train", 51.75, -1.25), ("train", value, -1.25), ("valid", 51.7, -1.2), ("test", 51.7, -1.2)]
    dataset(tmp_path / "bad", bad, "region")
    code, _, err = geotune(*command[:-1], f"{command[-1]}{tmp_path / 'bad'}")
    assert code == 2
    assert "train holds 1 of the 2 photos that dataset.json promises" in err
    assert "import the photos again" in err


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("1,51,-10,60,10,53,0\n", "cells 0 and 1 overlap"),
        ("2,52,-10,60,10,53,0\n", "cluster_id 1 is missing or stands there twice"),
        ("1,52,-10,160,10,53,0\n", "cell 1 has the edges 52, -10, 160, 10"),
        ("1,52,-10,60,10,153,0\n", "the centre of cell 1, 153 0, is no place on Earth"),
        ("1,52,nan,60,10,53,0\n", "min_lon of cell 1 is 'nan', not a number"),
    ],
)
def test_wrong_cells_files_are_told_before_training(train, tmp_path, rows, problem):
    (tmp_path / "cells.csv").write_text(BOXES + rows)
    words = (FROZEN, "model.head.name=cells", f"model.head.cells_file={tmp_path / 'cells.csv'}")
    code, _, err = train("town", *words)
    assert code == 2
    assert f"{tmp_path / 'cells.csv'}: {problem}" in err
    assert not (tmp_path / "out" / "model").exists()


@pytest.mark.parametrize(
    ("kind", "problem"), [("borders", "none of the 60 photos lies"), ("kmeans", "no photo within")]
)
def test_cells_of_another_dataset_are_told(geotune, train, folder, tmp_path, kind, problem):
    source = folder / ("countries" if kind == "borders" else "sea")
    if kind == "borders":  # of countries without the town's
        assert geotune("data", "cells", source, "--kind", kind, "--cells", 8, "--save", tmp_path / "c.json")[0] == 0
    else:
        assert geotune("data", "cells", source, "--cells", 4, "--save", tmp_path / "c.json")[0] == 0
    for head in ("cells", "hierarchical"):
        code, _, err = train("town", FROZEN, f"model.head.name={head}", f"model.head.cells_file={tmp_path / 'c.json'}")
        assert code == 2
        assert problem in err
        assert "take the cells of this dataset" in err


def test_borders_want_a_cell_a_country(geotune, train, folder):
    words = ("model.head.name=multitask", "model.head.kind=borders", "model.head.cells=3")
    for code, _, err in (
        train("countries", FROZEN, *words),
        geotune("data", "cells", folder / "countries", "--kind", "borders", "--cells", 3),
    ):
        assert code == 2
        assert "3 cells for photos in 4 countries, and no cell may cross a border" in err
        assert "take at least 4 cells" in err


@pytest.mark.parametrize("kind", ["borders", "countries"])
def test_photos_of_no_country_have_no_such_cells(train, kind):
    code, _, err = train("sea", FROZEN, "model.head.name=cells", f"model.head.kind={kind}")
    assert code == 2
    assert "none of the 12 photos lies in a country" in err
    assert "take cells of kind kmeans" in err


@pytest.mark.parametrize("head", ["cells", "hybrid", "hierarchical", "multitask"])
def test_a_country_without_a_training_photo_is_only_ever_missed(geotune, train, folder, tmp_path, head):
    words = (f"model.head.name={head}", "model.head.kind=borders", "model.head.cells=8")
    code, _, err = train("countries", FROZEN, *words)
    assert code == 0, err
    code, out, err = geotune("evaluate", tmp_path / "out" / "model", f"data={folder / 'countries'}")
    assert code == 0, err
    assert "right country" in out
    assert "nan" not in out
    code, out, _ = geotune("data", "cells", folder / "countries", "--kind", "borders", "--cells", 8)
    assert code == 0
    assert "outside, valid 2 of 6 photos lie in no cell" in out
