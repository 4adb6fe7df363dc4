"""Cells in files: what geotune wrote, the field's tables, and everything that can be wrong with them."""

import json

import numpy as np
import pytest

from geotune.errors import GeotuneError
from geotune.geo.cells import kinds
from geotune.geo.cells.files import read_cells
from tests.geo.cells.places import world

LAT, LON = world(600)
S2 = "class_label,hex_id,imgs_per_cell,latitude_mean,longitude_mean\n1,47e64,40,48.9,2.3\n0,89c24,60,40.7,-74\n"
BOXES = "cluster_id,min_lat,min_lon,max_lat,max_lon,mean_lat,mean_lon\n0,40,-10,60,10,50,1\n1,40,10,60,30,50,14\n"


def write(tmp_path, text):
    (tmp_path / "cells.csv").write_text(text)
    return tmp_path / "cells.csv"


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_saved_cells_are_read_again(kind, tmp_path):
    partition = kinds.build(kind, LAT, LON, 30)
    partition.save(tmp_path / "cells.json")
    again = read_cells(tmp_path / "cells.json", LAT, LON)
    assert [path.name for path in tmp_path.iterdir()] == ["cells.json"]
    assert (again.kind, again.fingerprint, again.countries) == (kind, partition.fingerprint, partition.countries)
    np.testing.assert_array_equal(again.levels, partition.levels)
    np.testing.assert_array_equal(again.assign(LAT, LON), partition.assign(LAT, LON))


@pytest.mark.parametrize("preamble", ["", "min 50, max 5000\n", "min 50\nmax 5000\n"])
def test_a_table_of_s2_cells(preamble, tmp_path, caplog):
    cells = read_cells(write(tmp_path, preamble + S2), [40.7, 48.86, 48.87, 0.0], [-74.0, 2.3, 2.31, 0.0])
    assert (cells.kind, len(cells)) == ("s2", 2)
    assert cells.centres_lat.tolist() == [40.7, 48.9]  # in the order of the labels, not of the lines
    assert cells.assign([40.7, 48.86, 0.0], [-74.0, 2.3, 0.0]).tolist() == [0, 1, -1]
    assert 1 < cells.radius_km < 10
    assert "1 of 4 photos are outside all cells" in caplog.text


def test_a_table_of_a_quadtree(tmp_path, caplog):
    cells = read_cells(write(tmp_path, BOXES), [50.0], [2.0])
    assert (cells.kind, len(cells)) == ("quadtree", 2)
    assert cells.assign([50, 50, 30], [0, 12, 0]).tolist() == [0, 1, -1]
    assert "1 of 2 cells have no photo" in caplog.text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (S2 + "2,47e64,1,48,2\n", "overlap"),
        (S2 + "3,47d84,1,48,2\n", "class_label 2 is missing or stands there twice"),
        (S2 + "1,47d84,1,48,2\n", "class_label 2 is missing or stands there twice"),
        (S2 + "2,wxyz,1,48,2\n", "'wxyz' is no S2 cell"),
        (S2 + "2,47d84,1,98,2\n", "the centre of cell 2, 98 2, is no place on Earth"),
        (S2 + "2,47d84,1,nan,2\n", "latitude_mean of cell 2 is 'nan', not a number"),
        (S2 + "2,47d84,1\n", "row 3 has 3 values for 5 columns"),
        (S2.splitlines()[0], "has no cells"),
        (S2.replace("latitude_mean", "lat"), "has no column latitude_mean"),
        (BOXES + "2,45,5,47,7,46,6\n", "cells 0 and 2 overlap"),
        (BOXES + "2,45,175,47,185,46,180\n", "east <= 180"),
        (BOXES.replace("cluster_id", "id"), "has no column cluster_id"),
        ("a,b\n1,2\n", "no table of cells"),
        ("", "no table of cells"),
        ("{}", "the cells are damaged"),
        ("{", "the cells are damaged"),
        ('{"kind": "s2", "centres_lat": [1], "centres_lon": [1], "radius_km": 1, "rule": {"rule": "x"}}', "damaged"),
    ],
)
def test_wrong_files_are_told(text, problem, tmp_path):
    with pytest.raises(GeotuneError, match=problem) as error:
        read_cells(write(tmp_path, text), [48.9], [2.3])
    assert error.value.hint


def test_a_file_that_is_missing_or_no_text(tmp_path):
    with pytest.raises(GeotuneError, match="cannot be read"):
        read_cells(tmp_path / "none.csv", LAT, LON)
    (tmp_path / "photo.csv").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(GeotuneError, match="not text in UTF-8"):
        read_cells(tmp_path / "photo.csv", LAT, LON)


def test_cells_of_another_dataset(tmp_path):
    with pytest.raises(GeotuneError, match="none of the 2 photos lies in any of its 2 cells") as error:
        read_cells(write(tmp_path, S2), [0.0, 1.0], [0.0, 0.0])
    assert error.value.hint == "take the cells of this dataset"


def test_cells_without_an_outside_are_of_another_dataset_where_no_photo_is_near(tmp_path, caplog):
    town = kinds.build("kmeans", 48.85 + np.arange(40) * 1e-4, np.full(40, 2.35), 8)
    town.save(tmp_path / "town.json")
    with pytest.raises(GeotuneError, match=r"no photo within \d+ km of any: they are of another dataset") as error:
        read_cells(tmp_path / "town.json", [52.5, 52.6], [13.4, 13.4])
    assert error.value.hint == "take the cells of this dataset"
    read_cells(tmp_path / "town.json", [48.852, 48.9], [2.35, 2.35])
    assert "is it of another dataset?" in caplog.text


def test_a_file_that_was_changed_is_refused(tmp_path):
    plain = kinds.build("borders", LAT, LON, 30).plain()
    plain["rule"]["thresholds"][0] += 0.1
    (tmp_path / "cells.json").write_text(json.dumps(plain))
    with pytest.raises(GeotuneError, match="not those of fingerprint"):
        read_cells(tmp_path / "cells.json", LAT, LON)
