"""The map of a cleaning report: every photo where it was taken, by its split, with the odd ones on top."""

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geotune.data.clean import Finding
from geotune.geo.extent import extent_of
from geotune.geo.sphere import Floats, LocalFrame, geometric_median
from geotune.report import style
from geotune.report.errors import world_outlines
from geotune.report.style import BLUE, GREEN, GREY, ORANGE, RED, short, shorts

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_POINTS, MOST_CASES = 6000, 1000
"""Photos of a split, and cases of a reason, that are drawn: of more, those that cover the ground."""
HIDDEN_FROM = 200
"""A reason with more cases of the kind that is only noted is hidden until its name is clicked: it would cover all."""
SPLIT_COLOURS = {"train": "#82aee8", "valid": GREEN, "test": ORANGE}
LEFT_OUT_COLOURS = (RED, "#862e9c", "#5c3d0c", "#212529")
NOTED_COLOURS = (BLUE, "#0b7285", "#c2255c", "#5f3dc4", "#66a80f", "#343a40")


def position_map(catalogue: "DataFrame", cases: Sequence[Finding], splits: Any) -> Any:
    """A plotly figure: east and north metres for a region, degrees for the world; None where nothing has a position.

    `splits` (N,) has the split of each row of the catalogue, "" for none, or is None.
    """
    import plotly.graph_objects as go

    lat, lon = (catalogue[name].to_numpy(np.float64) for name in ("lat", "lon"))
    split = np.full(len(lat), "photos") if splits is None else np.asarray(splits).astype(str)
    used = split != ""
    placed = [case for case in cases if np.isfinite(case.lat) and np.isfinite(case.lon)]
    if not (used.any() or placed):
        return None
    if not used.any():
        lat, lon = (np.array([getattr(case, name) for case in placed]) for name in ("lat", "lon"))
        split, used = np.full(len(lat), ""), np.ones(len(lat), bool)
    figure = go.Figure()
    world = extent_of(lat[used], lon[used]) == "world"
    frame = LocalFrame(*geometric_median(lat[used], lon[used]))

    def flat(lat_deg: Floats, lon_deg: Floats) -> Floats:
        return np.column_stack([lon_deg, lat_deg]) if world else frame.to_metres(lat_deg, lon_deg)

    _view(figure, flat(lat[used], lon[used]), world=world)
    for name in [name for name in (*SPLIT_COLOURS, *sorted({*split} - {*SPLIT_COLOURS})) if name]:
        points = flat(lat[split == name], lon[split == name])
        if len(points):
            marker = {"color": SPLIT_COLOURS.get(name, GREY), "size": 5}
            _points(figure, points, f"{name} ({len(points):,})", marker, MOST_POINTS)
    for gone, colours in ((False, NOTED_COLOURS), (True, LEFT_OUT_COLOURS)):
        for number, reason in enumerate(dict.fromkeys(case.reason for case in placed if case.left_out == gone)):
            some = [case for case in placed if case.left_out == gone and case.reason == reason]
            points = flat(np.array([case.lat for case in some]), np.array([case.lon for case in some]))
            texts = np.array([_hover(case) for case in some], object)
            marker = {"color": colours[number % len(colours)], "symbol": "x" if gone else "circle-open", "size": 8}
            if not gone:
                marker |= {"line": {"width": 2}}
            shown = gone or len(some) <= HIDDEN_FROM
            name = f"{'left out: ' if gone else ''}{html.escape(reason)} ({len(some):,})"
            _points(figure, points, name, marker, MOST_CASES, texts, visible=True if shown else "legendonly")
    legend = {"orientation": "h", "y": -0.12, "yanchor": "top", "itemsizing": "constant"}
    figure.update_layout(height=680, **style.LAYOUT, legend=legend, hovermode="closest", dragmode="pan")
    return figure


def _view(figure: Any, points: Floats, *, world: bool) -> None:
    """Axes that hold the photos that are used: a stray is seen once the map is zoomed out."""
    if world:
        world_outlines(figure)
        figure.data[0].update(showlegend=False)
        figure.update_xaxes(range=[-180, 180], title="longitude", dtick=60, zeroline=False)
        figure.update_yaxes(range=[-62, 84], title="latitude", dtick=30, scaleanchor="x", zeroline=False)
        return
    (west, south), (east, north) = np.quantile(points, (0.002, 0.998), axis=0)
    margin = 0.06 * max(east - west, north - south, 50.0)
    figure.update_xaxes(title="east (m)", range=[short(west - margin), short(east + margin)], zeroline=False)
    span = [short(south - margin), short(north + margin)]
    figure.update_yaxes(title="north (m)", range=span, scaleanchor="x", zeroline=False)


def _points(
    figure: Any,
    points: Floats,
    name: str,
    marker: dict[str, Any],
    most: int,
    texts: npt.NDArray[Any] | None = None,
    visible: bool | str = True,
) -> None:
    rows = spread(points, most)
    look = {"hoverinfo": "skip"} if texts is None else {"text": texts[rows].tolist(), "hoverinfo": "text"}
    x, y = points[rows].T
    figure.add_scatter(x=shorts(x), y=shorts(y), mode="markers", name=name, marker=marker, visible=visible, **look)


def spread(points: Floats, most: int) -> npt.NDArray[np.int64]:
    """Rows of at most `most` of the points (N, 2), one from each square of a grid, coarser where there are many."""
    if len(points) <= most:
        return np.arange(len(points))
    low, high = points.min(axis=0), points.max(axis=0)
    squares = 1024
    while True:
        cell = np.floor((points - low) / np.maximum(high - low, 1e-12) * squares).astype(np.int64)
        rows = np.unique(cell[:, 0] * (squares + 1) + cell[:, 1], return_index=True)[1]
        if len(rows) <= most:
            return np.sort(rows)
        squares = max(1, squares * 3 // 4)


def _hover(case: Finding) -> str:
    parts = [case.id, case.reason + (f": {case.detail}" if case.detail else ""), case.other and f"see {case.other}"]
    text = "<br>".join(html.escape(part) for part in parts if part)
    return text.encode("utf-8", "replace").decode()  # a file name may be no text
