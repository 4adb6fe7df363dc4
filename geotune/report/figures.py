"""Figures of a search's trials: each is a plotly figure, or None where there is nothing to show."""

import html
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from geotune.geo.metrics import UNIT
from geotune.record.history import History, TrialHistory
from geotune.report import style
from geotune.report.scale import log_ticks, scale_of
from geotune.report.style import BLUE, GREY, ORANGE, short

COLOURS = {
    "complete": BLUE,
    "running": style.GREEN,
    "stopped": style.PALE,
    "diverged": style.RED,
    "infeasible": style.RED,
    "crashed": style.RED,
}
CURVES = 300
"""Learning curves drawn at the most, the best ones: a page with thousands is slow."""


def unit_of(metric: str) -> str:
    """`valid/median_km` -> `km`; "" for shares and losses."""
    name = metric.rpartition("/")[2]
    unit = name.rpartition("_")[2]
    return unit if unit in UNIT.values() and not name.startswith("within") else ""


def learning_curves(history: History) -> Any:
    """The goal metric by epoch: every trial, the best one and the full training on top."""
    import plotly.graph_objects as go

    ranked = history.ranked()
    if not ranked:
        return None
    figure = go.Figure()
    for state, colour in COLOURS.items():
        xs: list[int | None] = []
        ys: list[float | None] = []
        texts: list[str | None] = []
        for trial in [t for t in ranked[1:CURVES] if t.state == state]:
            epochs, values = trial.curve(history.goal)
            xs += [*epochs, None]
            ys += [*map(short, values), None]
            texts += [*[f"trial {trial.name}"] * len(epochs), None]
        if xs:
            line = {"color": colour, "width": 1.2}
            look = {"mode": "lines+markers", "marker": {"size": 4}, "line": line, "opacity": 0.8}
            figure.add_scatter(x=xs, y=ys, text=texts, name=state, **look, hovertemplate=_HOVER)
    curves: list[tuple[TrialHistory, str, dict[str, Any]]] = [
        (ranked[0], f"best: trial {ranked[0].name}", {"color": ORANGE, "width": 3})
    ]
    if history.final:
        curves.append((history.final, "full training", {"color": "#212529", "width": 2, "dash": "dot"}))
    for trial, name, line in curves:
        epochs, values = trial.curve(history.goal)
        if epochs:
            y = [short(v) for v in values]
            figure.add_scatter(
                x=epochs, y=y, name=name, mode="lines", line=line, hovertemplate=_HOVER, text=[name] * len(y)
            )
    _baseline(figure, history)
    figure.update_xaxes(title="epoch", rangemode="tozero")
    return _dressed(figure, history.goal, [v for t in ranked for v in t.curve(history.goal)[1]])


def progress(history: History) -> Any:
    """Each trial's best value in the order of the trials, and the best so far."""
    import plotly.graph_objects as go

    scored = [(int(t.name), t, t.best(history.goal, history.minimize)) for t in history.trials]
    points = [(number, trial, value) for number, trial, value in scored if value is not None]
    if not points:
        return None
    figure = go.Figure()
    for state, colour in COLOURS.items():
        mine = [(n, v, _settings(history, t)) for n, t, v in points if t.state == state]
        if mine:
            numbers, values, texts = zip(*mine, strict=True)
            marker = {"color": colour, "size": 8, "line": {"color": "white", "width": 1}}
            y = [short(v) for v in values]
            figure.add_scatter(
                x=numbers, y=y, text=texts, name=state, mode="markers", marker=marker, hovertemplate=_HOVER
            )
    best = np.minimum if history.minimize else np.maximum
    y = [short(float(v)) for v in best.accumulate([value for _, _, value in points])]
    line = {"color": ORANGE, "width": 2, "shape": "hv"}
    figure.add_scatter(x=[n for n, _, _ in points], y=y, name="best so far", mode="lines", line=line, hoverinfo="skip")
    _baseline(figure, history)
    figure.update_xaxes(title="trial")
    return _dressed(figure, history.goal, [value for _, _, value in points])


def settings(history: History) -> Any:
    """One small panel for each searched setting: its value against the trial's best."""
    from plotly.subplots import make_subplots

    ranked, keys = history.ranked(), history.searched
    if len(ranked) < 2 or not keys:
        return None
    columns = min(3, len(keys))
    rows = math.ceil(len(keys) / columns)
    gaps = {"vertical_spacing": 0.34 / rows, "horizontal_spacing": 0.07}
    figure = make_subplots(rows, columns, shared_yaxes="all", subplot_titles=[html.escape(k) for k in keys], **gaps)
    y = [short(trial.best(history.goal, history.minimize) or 0.0) for trial in ranked]
    colours = [ORANGE if i == 0 else COLOURS.get(trial.state, GREY) for i, trial in enumerate(ranked)]
    texts = [f"trial {trial.name}" for trial in ranked]
    for index, key in enumerate(keys):
        row, column = divmod(index, columns)
        scale = scale_of([trial.config.get(key) for trial in ranked])
        x = [short(p + _jitter(i, scale.labels)) for i, p in enumerate(scale.positions)]
        marker = {"color": colours, "size": 7, "line": {"color": "white", "width": 0.7}}
        where = {"row": row + 1, "col": column + 1}
        figure.add_scatter(x=x, y=y, text=texts, mode="markers", marker=marker, hovertemplate=_HOVER, **where)
        figure.update_xaxes(tickvals=scale.ticks, ticktext=scale.labels, **where)
    figure.update_layout(showlegend=False, height=90 + 230 * rows)
    figure = _dressed(figure, history.goal, y)
    figure.update_yaxes(title="")
    return figure


def parallel(history: History) -> Any:
    """Parallel coordinates of the searched settings, coloured by the goal."""
    import plotly.graph_objects as go

    ranked, keys = history.ranked(), history.searched
    if len(ranked) < 3 or not keys:
        return None
    values = [trial.best(history.goal, history.minimize) or 0.0 for trial in ranked]
    axes: list[dict[str, Any]] = []
    for key in keys:
        scale = scale_of([trial.config.get(key) for trial in ranked])
        label = html.escape(key.removeprefix("model.").removeprefix("head."))
        positions = [short(p) for p in scale.positions]
        axes.append({"label": label, "values": positions, "tickvals": scale.ticks, "ticktext": scale.labels})
    logs = _log_worth(values)
    colours = [short(math.log10(v)) if logs else short(v) for v in values]
    scale = scale_of(values)
    goal = {"label": html.escape(history.goal), "values": [short(p) for p in scale.positions]}
    axes.append(goal | {"tickvals": scale.ticks, "ticktext": scale.labels})
    line = {"color": colours, "colorscale": [[0, ORANGE], [0.35, BLUE], [1, "#e4ebf5"]]}
    if not history.minimize:
        line["reversescale"] = True
    figure = go.Figure(go.Parcoords(dimensions=axes, line=line, labelangle=-18, labelside="top"))
    figure.update_layout(style.LAYOUT | {"height": 430, "margin": {"l": 70, "r": 70, "t": 90, "b": 30}})
    return figure


_HOVER = "%{text}: %{y:.4g}<extra></extra>"
_ONE_POINT = "predicting one point"


def _baseline(figure: Any, history: History) -> None:
    """A line where predicting one point for every photo stands, if the goal is a median that has one."""
    key = history.goal.replace("/median_", "/baseline_")
    values = [t.epochs[-1]["metrics"].get(key) for t in history.trials if t.epochs and key != history.goal]
    known = [v for v in values if isinstance(v, int | float)]
    if known:
        figure.add_hline(y=known[0], line={"color": GREY, "dash": "dash", "width": 1.5})
        look = {"xref": "paper", "xanchor": "right", "yanchor": "bottom", "showarrow": False}
        figure.add_annotation(x=1, y=known[0], text=_ONE_POINT, **look)


def _dressed(figure: Any, goal: str, values: Sequence[float]) -> Any:
    """Axes, colours and margins that all figures of the goal share."""
    logs = _log_worth(values)
    figure.update_layout(hovermode="closest", **style.LAYOUT)
    if figure.layout.height is None:
        figure.update_layout(height=400, legend={"orientation": "h", "y": 1.12, "x": 0})
    figure.update_xaxes(gridcolor="#eef1f5", zeroline=False)
    figure.update_yaxes(gridcolor="#eef1f5", zeroline=False, title=html.escape(goal))
    if logs:
        ticks, labels = log_ticks(min(values), max(values))
        figure.update_yaxes(type="log", tickvals=ticks, ticktext=labels)
        for annotation in figure.layout.annotations:
            if annotation.text == _ONE_POINT and annotation.y > 0:
                annotation.y = math.log10(annotation.y)
    return figure


def _log_worth(values: Sequence[float]) -> bool:
    return bool(values) and min(values) > 0 and max(values) / min(values) > 5


def _settings(history: History, trial: TrialHistory) -> str:
    """A trial's searched settings for a label that shows on pointing at it."""
    drawn = [f"{key} {trial.config[key]}" for key in history.searched if key in trial.config]
    return "<br>".join([f"trial {trial.name}", *map(html.escape, drawn)])


def _jitter(index: int, labels: Sequence[str]) -> float:
    """A small, fixed shift where many trials share few values, so that points do not hide each other."""
    return ((index * 0.618034) % 1 - 0.5) * 0.3 if len(labels) <= 7 else 0.0
