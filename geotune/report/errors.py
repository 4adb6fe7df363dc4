"""Figures of the test: how large the errors are, and where.

Nothing asks the network for a map: the world's outlines are Natural Earth's, drawn as a line.
"""

import itertools
import math
from typing import Any

import numpy as np

from geotune.geo.metrics import PER_KM, UNIT, Extent
from geotune.geo.sphere import LocalFrame, mean_point
from geotune.record.history import History
from geotune.record.predictions import read_predictions
from geotune.report import style
from geotune.report.scale import log_ticks
from geotune.report.style import BLUE, GREY, ORANGE, PALE, short, shorts


def histogram(history: History) -> Any:
    """How the test photos' errors are spread, on a logarithmic axis, with the median and the one-point answer."""
    import plotly.graph_objects as go

    found = read_predictions(history.run.final.path)
    if not found or not len(found["error_km"]):
        return None
    extent = _extent(history)
    errors = np.maximum(found["error_km"] * PER_KM[extent], 1e-3)
    low, high = np.log10(np.quantile(errors, 0.005)), np.log10(errors.max())
    edges = np.logspace(low, max(high, low + 0.1), 31)
    counts, _ = np.histogram(np.clip(errors, edges[0], edges[-1]), edges)
    centres = np.sqrt(edges[:-1] * edges[1:])
    spans = [f"{_number(a)} to {_number(b)} {UNIT[extent]}" for a, b in itertools.pairwise(edges)]
    widths = [short(w) for w in np.diff(edges) * 0.94]
    bars = go.Bar(x=[short(c) for c in centres], y=counts.tolist(), width=widths, marker_color=BLUE, text=spans)
    figure = go.Figure(bars)
    figure.update_traces(hovertemplate="%{y} photos, %{text}<extra></extra>", textposition="none")
    marks = [(float(np.median(errors)), f"median {_number(float(np.median(errors)))}", ORANGE)]
    baseline = history.test.get("baseline")
    if isinstance(baseline, int | float) and baseline > 0:
        marks.append((float(baseline), f"one point for all: {_number(float(baseline))}", GREY))
    for value, text, colour in marks:
        figure.add_vline(x=value, line={"color": colour, "width": 2, "dash": "dash"})
        figure.add_annotation(
            x=math.log10(value),
            y=1.02,
            yref="paper",
            yanchor="bottom",
            text=text,
            showarrow=False,
            font={"color": colour},
        )
    ticks, labels = log_ticks(edges[0], edges[-1])
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=labels, title=f"error of a test photo ({UNIT[extent]})")
    figure.update_yaxes(title="photos")
    figure.update_layout(height=360, **style.LAYOUT)
    figure.update_xaxes(gridcolor="#eef1f5")
    figure.update_yaxes(gridcolor="#eef1f5")
    return figure


def positions(history: History) -> Any:
    """Every test photo where it was taken, coloured by its error; for a region lines lead to the predicted places."""
    import plotly.graph_objects as go

    found = read_predictions(history.run.final.path)
    if not found or not len(found["error_km"]):
        return None
    extent = _extent(history)
    lat, lon, errors = found["latitude"], found["longitude"], found["error_km"] * PER_KM[extent]
    figure = go.Figure()
    if extent == "world":
        x, y = lon, lat
        world_outlines(figure)
        figure.update_xaxes(range=[-180, 180], title="longitude", dtick=60, zeroline=False)
        figure.update_yaxes(range=[-62, 84], title="latitude", dtick=30, scaleanchor="x", zeroline=False)
    else:
        frame = LocalFrame(*mean_point(lat, lon))
        places = frame.to_metres(lat, lon)
        guesses = frame.to_metres(found["predicted_latitude"], found["predicted_longitude"])
        x, y = places[:, 0], places[:, 1]
        nothing = np.full(len(x), np.nan)
        ends = [np.column_stack((places[:, i], guesses[:, i], nothing)).ravel() for i in (0, 1)]
        line = {"color": PALE, "width": 0.8}
        figure.add_scatter(x=shorts(ends[0]), y=shorts(ends[1]), mode="lines", line=line, hoverinfo="skip")
        # The photos set the view: a guess far away only sends its line out of it.
        (west, south), (east, north) = places.min(axis=0), places.max(axis=0)
        margin = 0.05 * max(east - west, north - south, 1.0)
        figure.update_xaxes(title="east (m)", range=[short(west - margin), short(east + margin)])
        north_south = [short(south - margin), short(north + margin)]
        figure.update_yaxes(title="north (m)", range=north_south, scaleanchor="x")
    logs = np.log10(np.maximum(errors, 1e-3))
    low, high = (float(q) for q in np.quantile(logs, (0.02, 0.98)))
    ticks: list[float] = [t for t in range(math.floor(low), math.ceil(high) + 1) if low <= t <= high] or [round(low, 1)]
    bar = {"title": UNIT[extent], "tickvals": ticks, "ticktext": [_number(10.0**t) for t in ticks], "thickness": 12}
    marker = {"color": shorts(logs), "cmin": low, "cmax": high, "colorscale": "Turbo", "size": 6, "colorbar": bar}
    texts = [f"{_number(e)} {UNIT[extent]}" for e in errors]
    look = {"mode": "markers", "marker": marker | {"opacity": 0.85}, "hovertemplate": "%{text}<extra></extra>"}
    figure.add_scatter(x=shorts(x), y=shorts(y), text=texts, **look)
    figure.update_layout(height=520, showlegend=False, **style.LAYOUT)
    return figure


def world_outlines(figure: Any) -> None:
    """Draw the land, in degrees, beneath what comes next."""
    from geotune.geo.countries import outlines

    xs: list[float | None] = []
    ys: list[float | None] = []
    for ring in outlines(0.5):
        xs += [*(round(float(v), 1) for v in ring[:, 0]), None]
        ys += [*(round(float(v), 1) for v in ring[:, 1]), None]
    look = {"fill": "toself", "fillcolor": "#e9ecef", "line": {"color": "#bfc6ce", "width": 0.7}}
    figure.add_scatter(x=xs, y=ys, mode="lines", hoverinfo="skip", **look)


def _extent(history: History) -> Extent:
    return "region" if history.asked.get("dataset", {}).get("extent") == "region" else "world"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
