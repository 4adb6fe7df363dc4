"""The report of a hand-made run: right numbers, no user's markup, no network, in any state of a search."""

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from geotune.errors import GeotuneError
from geotune.record.history import read_history
from geotune.record.predictions import read_predictions, write_predictions
from geotune.report import errors, figures
from geotune.report.page import write_report


def own_part(text: str) -> str:
    """The page without plotly's own code."""
    return re.sub(r"<script>/\*\*.*?</script>", "", text, count=1, flags=re.DOTALL)


@pytest.fixture
def predicted(finished: Any) -> Any:
    """The finished run with three test photos: 1, 100 and 9,000 km off."""
    lat, lon = [10.0, 20.0, -30.0], [0.0, 40.0, 170.0]
    found = write_predictions(finished.path / "final", ["a,1", "b", "c"], lat, lon, lat, lon, [1.0, 100.0, 9000.0])
    assert found.name == "predictions.csv"
    return finished


def test_a_finished_search_says_its_result_and_how_sure_it_is(predicted: Any) -> None:
    path = write_report(predicted.path)
    assert path == predicted.path.resolve() / "report.html"
    page = own_part(path.read_text())
    assert ">612 km<" in page
    assert "95 % 580–641 km" in page
    assert "predicting one point for every photo: 6,204 km" in page
    assert "4 trials (1 complete, 1 stopped, 1 diverged, 1 crashed)" in page
    assert "12.5 %" in page  # test/within_25km
    assert re.search(r"<tr><td>0<td>700 km<td>3<td>complete<td>0.001<td>64", page)
    assert "the loss is not finite" in page
    assert "geotune predict runs/demo-1/model photo.jpg" in page
    for name in ("Test errors", "Where the test photos lie", "Learning curves", "The search over time"):
        assert f"<h2>{name}</h2>" in page


def test_the_page_needs_no_network_and_stays_small(predicted: Any) -> None:
    text = write_report(predicted.path).read_text()
    assert not re.search(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=", own_part(text))
    assert '"type":"scattergeo"' not in own_part(text).replace(" ", "")  # plotly fetches its maps from a server
    assert len(text) < 6_000_000


def test_what_users_wrote_is_text(finished: Any) -> None:
    finished.outcome(3, "crashed", None, "<script>alert(1)</script>")
    page = own_part(write_report(finished.path).read_text())
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert "<b>town" not in page
    assert "data/&lt;b&gt;town&lt;/b&gt;" in page


def test_a_search_without_a_trial_has_a_page(hand_made: Callable[[str], Any]) -> None:
    page = own_part(write_report(hand_made("demo-1").path).read_text())
    assert "No result yet" in page
    assert "0 trials (none begun)" in page
    assert "plotly-graph-div" not in page


def test_a_running_search_shows_its_best_trial(hand_made: Callable[[str], Any]) -> None:
    made = hand_made("demo-1")
    made.trial(0, optim__lr=0.1)
    made.epoch(0, 1, 900.0)
    page = own_part(write_report(made.path).read_text())
    assert ">900 km<" in page
    assert "not tested yet" in page
    assert "geotune predict" not in page


def test_several_goals_and_a_broken_limit(finished: Any) -> None:
    path = finished.path / "search.yaml"
    goals = "goals: [{minimize: valid/median_km}, {maximize: valid/within_25km}]\n"
    path.write_text(goals + path.read_text().replace("settings:\n", "settings:\n  where: [train/loss < 30]\n"))
    shown = write_report(finished.path).read_text()
    assert "<h2>No other trial beats these in every goal</h2>" in shown
    assert "<tr><td>0<td>700 km<td>50.0 %" in shown
    assert "<td>stopped, breaks train/loss &lt; 30" in shown


def test_another_folder_is_refused(tmp_path: Any) -> None:
    with pytest.raises(GeotuneError, match="not the folder of a search"):
        write_report(tmp_path)


def test_curves_leave_out_what_is_not_finite_and_put_the_best_on_top(finished: Any) -> None:
    figure = figures.learning_curves(read_history(finished.path))
    traces = {trace.name: trace for trace in figure.data}
    assert set(traces) == {"stopped", "best: trial 0", "full training"}
    assert list(traces["best: trial 0"].y) == [900, 750, 700]
    assert list(traces["full training"].y) == [700, 350]
    assert list(traces["stopped"].x) == [1, None]


def test_best_so_far_goes_only_down(hand_made: Callable[[str], Any]) -> None:
    made = hand_made("demo-1")
    for number, value in enumerate((500.0, 900.0, 300.0)):
        made.trial(number, optim__lr=0.1 + number)
        made.epoch(number, 1, value)
    figure = figures.progress(read_history(made.path))
    (best,) = [trace for trace in figure.data if trace.name == "best so far"]
    assert list(best.y) == [500, 500, 300]


def test_settings_show_one_panel_for_each_searched_one(finished: Any) -> None:
    figure = figures.settings(read_history(finished.path))
    titles = [note.text for note in figure.layout.annotations]
    assert titles == ["optim.lr", "model.head.cells"]  # not the pinned input.augment


def test_the_one_point_answer_is_a_line(hand_made: Callable[[str], Any]) -> None:
    made = hand_made("demo-1")
    made.trial(0)
    line = {"epoch": 1, "time": 1.0, "metrics": {"valid/median_km": 500.0, "valid/baseline_km": 6204.0}}
    (made.path / "trials" / "0000" / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    figure = figures.learning_curves(read_history(made.path))
    assert [shape.y0 for shape in figure.layout.shapes] == [6204.0]


def test_the_histogram_counts_every_photo(predicted: Any) -> None:
    figure = errors.histogram(read_history(predicted.path))
    assert sum(figure.data[0].y) == 3
    assert {note.text for note in figure.layout.annotations} == {"median 100", "one point for all: 6,204"}


def test_the_map_of_the_world_has_land_and_every_photo(predicted: Any) -> None:
    land, photos = errors.positions(read_history(predicted.path)).data
    assert len(land.x) > 2000
    assert list(photos.x) == [0, 40, 170]
    assert photos.text == ("1 km", "100 km", "9,000 km")


def test_the_map_of_a_region_is_in_metres(predicted: Any) -> None:
    text = (predicted.path / "search.yaml").read_text().replace("extent: world", "extent: region")
    (predicted.path / "search.yaml").write_text(text)
    east = [0.12, 0.12 + 100 / 68_000]  # some 100 m apart at this latitude
    write_predictions(predicted.path / "final", ["a", "b"], [52.2, 52.2], east, [52.2, 52.2], east, [0.01, 0.02])
    lines, photos = errors.positions(read_history(predicted.path)).data
    assert photos.x[1] - photos.x[0] == pytest.approx(100, abs=1)
    assert photos.text == ("10 m", "20 m")
    assert len(lines.x) == 6


def test_predictions_keep_a_centimetre_and_odd_names(predicted: Any) -> None:
    folder = predicted.path / "final"
    write_predictions(folder, ['a "b",c\n'], [52.12345678], [-0.1], [52.0], [0.0], [1234.5678])
    found = read_predictions(folder)
    assert np.abs(found["latitude"][0] - 52.12345678) * 111_000 < 0.01
    assert found["error_km"].tolist() == [1234.57]
    assert read_predictions(folder.parent) == {}
