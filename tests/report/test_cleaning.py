"""The cleaning report: every case in the table, nobody's markup, no network, pictures of the worst."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from geotune.data.clean import Finding
from geotune.data.clean.finding import DUPLICATE, FAR, INACCURATE, SHARED_POSITION
from geotune.data.sources.why import LISTED_TWICE, NO_GPS
from geotune.report.cleaning import write_report
from geotune.report.cleaning_map import MOST_POINTS, position_map, spread
from geotune.report.cleaning_pairs import PER_REASON, worst


def picture(name: str) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (512, 384), (len(name) * 20 % 256, 90, 160)).save(made, "JPEG")
    return made.getvalue()


def catalogue(n: int = 12, **columns: Any) -> pd.DataFrame:
    made = {"id": [f"p{i}" for i in range(n)], "lat": 52 + np.arange(n) * 1e-4, "lon": 13.0, "gps_error_m": np.nan}
    return pd.DataFrame({**made, **columns})


def case(i: int, reason: str, other: str = "", *, left_out: bool = False, detail: str = "") -> Finding:
    return Finding(f"p{i}", reason, left_out, detail, other, 52 + i * 1e-4, 13.0)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., tuple[list[dict[str, str]], str]]:
    """Writes a report -> (rows of the table, the page without plotly's own code)."""

    def made(*args: Any, **options: Any) -> tuple[list[dict[str, str]], str]:
        table, page = write_report(tmp_path, *args, **options)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["cleaning.csv", "cleaning.html"]
        text = re.sub(r"<script>/\*\*.*?</script>", "", page.read_text(), count=1, flags=re.DOTALL)
        with table.open(newline="") as file:
            return list(csv.DictReader(file)), text

    return made


def test_every_case_stands_in_the_table_those_left_out_first(write: Any) -> None:
    found = [case(1, SHARED_POSITION), case(3, DUPLICATE, "p0", left_out=True, detail="33 m apart")]
    rows, page = write(catalogue(), found, [Finding("x.jpg", NO_GPS, True, "")], picture)
    assert [(row["id"], row["left_out"]) for row in rows] == [("x.jpg", "yes"), ("p3", "yes"), ("p1", "no")]
    assert rows[1] == {
        "id": "p3", "reason": DUPLICATE, "left_out": "yes", "detail": "33 m apart", "other": "p0",
        "lat": "52.0003000", "lon": "13.0000000",
    }  # fmt: skip
    assert (rows[0]["lat"], rows[0]["lon"]) == ("", "")
    assert "2 left out (14.3 % of all); 1 kept but worth a look" in page
    assert "messengers, social networks" in page
    assert "x.jpg" in page  # of a photo without a picture the name is told
    assert "All 3 cases stand in <code>cleaning.csv</code>" in page


def test_an_id_that_is_listed_three_times_is_left_out_twice(write: Any) -> None:
    twice = [Finding("p1", LISTED_TWICE, True, "")] * 2
    _, page = write(catalogue(), [case(1, INACCURATE)], twice, picture)
    assert "2 left out (14.3 % of all); 1 kept but worth a look" in page


def test_pictures_stand_beside_what_they_are_copies_of(write: Any) -> None:
    _, page = write(catalogue(), [case(3, DUPLICATE, "p0", left_out=True)], [], picture)
    inside = page[page.index("<div class=pair>") :]
    assert inside.count("data:image/jpeg;base64,") == 2
    assert re.findall(r"<figcaption>(\w+)", inside) == ["p3", "p0"]
    assert "href='#reason-0'" in page


def test_what_users_wrote_is_text(write: Any) -> None:
    name = "<script>alert(1)</script>"
    bad = [Finding(name, f"{name}!", True, name, name, 52.0, 13.0), Finding("=1+1", FAR, True, "@x", "-2", 52.0, 13.0)]
    rows, page = write(catalogue(3, id=[name, "=1+1", "-2"]), bad, bad[:1], picture, splits=np.array([name, "", ""]))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert [rows[2][key] for key in ("id", "detail", "other")] == ["'=1+1", "'@x", "'-2"]
    assert rows[0]["id"] == name


def test_the_page_needs_no_network(write: Any) -> None:
    _, page = write(catalogue(), [case(1, SHARED_POSITION)], [], picture)
    assert not re.search(r"<(?:script|link|img|iframe)[^>]+(?:src|href)='?(?!data:)[a-z]+:", page)
    assert '"type":"scattergeo"' not in page.replace(" ", "")


def test_names_that_are_no_text_are_shown_as_far_as_they_go(write: Any) -> None:
    rows, page = write(catalogue(), [], [Finding("caf\udce9.jpg", NO_GPS, True, "")], picture)
    assert rows[0]["id"] == "caf?.jpg"
    assert "caf?.jpg" in page


def test_pictures_that_are_none_are_left_out(write: Any) -> None:
    for none in (lambda name: None, lambda name: b"no picture"):
        _, page = write(catalogue(), [case(1, FAR, "p0", detail="900 km away")], [], none)
        assert "data:image" not in page
        assert "p1 (900 km away)" in page


def test_counts_may_stand_for_cases_that_nobody_kept(write: Any) -> None:
    rows, page = write(catalogue(), [], {NO_GPS: 40}, picture)
    assert rows == []
    assert "40 left out" in page
    assert f"<td>40<td>{NO_GPS}" in page


def test_nothing_found_and_no_photos(write: Any) -> None:
    rows, page = write(catalogue(), [], [], picture, splits=np.array(["train"] * 11 + ["test"]))
    assert "12 photos kept" in page
    assert "11 train, 1 test" in page
    assert "Nothing was found." in page
    rows, page = write(catalogue(0), [], [Finding("x", NO_GPS, True, "")], picture, splits=np.zeros(0, "<U5"))
    assert "0 photos kept" in page
    assert "id=map" not in page
    assert len(rows) == 1


def test_a_reports_folder_that_cannot_be_written_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"File exists|Not a directory"):
        write_report(tmp_path / "file", catalogue(), [], [], picture)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_map_has_a_colour_a_split_and_a_mark_a_reason() -> None:
    splits = np.array(["train"] * 8 + ["test"] * 3 + [""])
    found = [case(11, FAR, left_out=True), case(1, SHARED_POSITION), case(2, SHARED_POSITION)]
    traces = {trace.name: trace for trace in position_map(catalogue(), found, splits).data}
    assert list(traces) == ["train (8)", "test (3)", f"{SHARED_POSITION} (2)", f"left out: {FAR} (1)"]
    assert traces[f"left out: {FAR} (1)"].marker.symbol == "x"
    east_north = np.array([traces["train (8)"].x, traces["train (8)"].y], float).T
    assert np.linalg.norm(np.diff(east_north, axis=0), axis=1) == pytest.approx([11.1] * 7, abs=0.1)


def test_a_stray_does_not_shrink_the_map() -> None:
    lat = 52 + np.arange(1000) * 1e-5
    lat[0] = 10.0
    splits = np.array([""] + ["train"] * 999)
    figure = position_map(catalogue(1000, lat=lat), [Finding("p0", FAR, True, "", "", 10.0, 13.0)], splits)
    assert np.diff(figure.layout.yaxis.range)[0] < 2000  # metres


def test_the_map_of_a_world_has_land() -> None:
    lat = np.linspace(-50, 60, 12)
    land, photos = position_map(catalogue(12, lat=lat), [], None).data
    assert len(land.x) > 2000
    assert list(photos.y) == pytest.approx(list(lat))


def test_a_million_photos_are_drawn_by_some_that_cover_the_ground() -> None:
    points = np.random.default_rng(0).normal(size=(200_000, 2))
    points[5] = (40, 40)
    rows = spread(points, MOST_POINTS)
    assert 5 in rows
    assert MOST_POINTS / 4 < len(rows) <= MOST_POINTS
    assert spread(np.zeros((MOST_POINTS + 1, 2)), MOST_POINTS).tolist() == [0]


def test_the_worst_come_first_and_one_stands_for_its_kind() -> None:
    lat = np.r_[52.0, 52.5, 52.2, 52.3, 52.0 + np.arange(26) * 1e-4]
    made = catalogue(30, lat=lat, gps_error_m=np.arange(30.0))
    found = [case(i, DUPLICATE, "p0") for i in (2, 1, 3)]  # all due to p0: the furthest stands for them
    found += [case(i, FAR, f"p{i + 10}") for i in range(4, 19)]
    found += [case(4, INACCURATE), case(20, INACCURATE), Finding("unknown", INACCURATE, False, "")]
    shown = worst(made, found)
    assert [f.id for f in shown[DUPLICATE]] == ["p1"]
    assert len(shown[FAR]) == PER_REASON
    assert [f.id for f in shown[INACCURATE]] == ["p20", "p4"]
    assert worst(made, [Finding("unknown", FAR, True, "")]) == {}
