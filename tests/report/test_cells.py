"""The map of cells."""

import base64

import cv2
import numpy as np
import pytest

from geotune.geo.cells.kinds import build
from geotune.geo.cells.statistics import statistics
from geotune.report import cells
from geotune.report.cells import MOST_CENTRES, MOST_PHOTOS, cell_map, page
from tests.geo.cells.places import world

WORLD = world(1500)


@pytest.fixture(autouse=True)
def _small_pictures(monkeypatch):
    monkeypatch.setattr(cells, "PIXELS", 240)


TOWN = (48.85 + np.random.default_rng(0).normal(0, 0.004, 300), 2.35 + np.random.default_rng(1).normal(0, 0.006, 300))


@pytest.mark.parametrize(("extent", "places"), [("world", WORLD), ("region", TOWN)])
@pytest.mark.parametrize("kind", ["kmeans", "borders", "s2"])
def test_ground_photos_and_centres_are_drawn(extent, places, kind):
    partition = build(kind, *places, 40)
    figure = cell_map(partition, statistics(partition, *places), *places, extent)
    names = [trace.name for trace in figure.data if trace.name]
    assert names[-1] == f"centres ({len(partition)})"
    assert any(name.startswith("photos (") for name in names)
    assert ("photos outside all cells" in " ".join(names)) == (extent == "world" and kind == "borders")
    source = figure.layout.images[0].source.partition(",")[2]
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(source), np.uint8), cv2.IMREAD_UNCHANGED)
    colours = np.unique(picture.reshape(-1, 4), axis=0)
    assert len(colours) > 10
    covered = (picture[..., 3] > 0).mean()
    assert covered == 1 if kind == "kmeans" else covered > 0.05


def test_hovering_a_centre_tells_of_its_cell():
    partition = build("borders", *WORLD, 40)
    figure = cell_map(partition, statistics(partition, *WORLD), *WORLD, "world")
    text = figure.data[-1].text[0]
    assert text.startswith("cell 0<br>")
    assert text.endswith(partition.countries[0])


def test_of_many_photos_and_cells_some_are_drawn():
    lat, lon = world(20_000, seed=1)
    partition = build("s2", lat, lon, 8000)
    figure = cell_map(partition, statistics(partition, lat, lon), lat, lon, "world")
    assert len(figure.data[-1].x) <= MOST_CENTRES
    assert len(figure.data[-2].x) <= MOST_PHOTOS


def test_the_page_is_whole_and_says_what_it_was_told():
    partition = build("quadtree", *TOWN, 10)
    told = page(partition, statistics(partition, *TOWN), *TOWN, "region", ["10 cells", "a < b"])
    assert told.startswith("<!doctype html>")
    assert "10 cells" in told
    assert "a &lt; b" in told
    assert "plotly" in told
