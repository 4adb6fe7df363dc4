"""`report.html`: a search on one page that needs nothing else, no network, no server; any state of a search has one."""

import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from geotune.config import flatten
from geotune.record.folder import write_atomic
from geotune.record.history import History, read_history
from geotune.record.public import public
from geotune.record.words import NONE, value_text
from geotune.report import errors, figures, style

FIGURES = (  # heading, what to look for, how it is drawn
    ("Test errors", "One bar a range of errors; the axis is logarithmic.", errors.histogram),
    ("Where the test photos lie", "Each point is a test photo where it was taken.", errors.positions),
    ("Learning curves", "One line a trial. Pale lines were stopped early.", figures.learning_curves),
    ("The search over time", "One point a trial: what it reached, by train.selection.", figures.progress),
    (
        "What each setting did",
        "The orange point is the best trial; <em>none</em>: not a setting of it.",
        figures.settings,
    ),
    ("Settings together", "Drag along an axis to keep only those trials.", figures.parallel),
)
TOP = 15


def write_report(run: Path) -> Path:
    """Write `report.html` into a run folder and return its path. GeotuneError where the folder is no run."""
    history = read_history(run)
    write_atomic(history.run.report, page(history))
    return history.run.report


def page(history: History) -> str:
    """The whole page as HTML."""
    # plotly looks into pandas when anything has begun to import it, and the MLflow sender's thread may be doing so
    # just now; importing it here waits for that import's end.
    import pandas  # noqa: F401
    from plotly.offline import get_plotlyjs

    sections = []
    for number, (heading, hint, draw) in enumerate(FIGURES):
        figure = draw(history)
        if figure is not None:
            options = {"displayModeBar": False, "responsive": True}
            drawn = figure.to_html(full_html=False, include_plotlyjs=False, config=options, div_id=f"figure-{number}")
            sections.append(f"<section><h2>{heading}</h2><p class=hint>{hint}</p>{drawn}</section>")
    name = html.escape(history.run.name)
    body = [f"<header><h1>{name}</h1>{_headline(history)}</header>", _test_table(history), *sections]
    body += [_front(history), _ranking(history), _settings(history), _use(history)]
    head = f"<meta charset=utf-8><meta name=viewport content='width=device-width'><title>{name} - geotune</title>"
    script = f"<script>{get_plotlyjs()}</script>"
    content = "\n".join(part for part in body if part)
    head += f"<style>{style.CSS}</style>{script}"
    return f"<!doctype html>\n<html lang=en><head>{head}</head><body>{content}</body></html>\n"


def _headline(history: History) -> str:
    """The one number that a search is for, as far as it has got."""
    asked, test = history.asked, history.test
    data = html.escape(str(asked.get("dataset", {}).get("path", "")))
    counts: dict[str, int] = {}
    for trial in history.trials:
        counts[trial.state] = counts.get(trial.state, 0) + 1
    told = ", ".join(f"{count} {state}" for state, count in counts.items()) or "none begun"
    lines = f"<p>{len(history.trials)} trials ({told}) on <code>{data}</code></p>"
    median = next((k for k in test.get("metrics", {}) if k.startswith("test/median_")), None)
    if median is None:
        ranked = history.ranked()
        if not ranked:
            return f"<p class=big>No result yet</p>{lines}"
        value = _value(history.value(ranked[0]), history.goal)
        return f"<p class=big>{value}</p><p>{html.escape(history.goal)} of the best trial; not tested yet</p>{lines}"
    span = f"95 % {_value(test.get('low'), '')}–{_value(test.get('high'), median)}"
    base = f"predicting one point for every photo: {_value(test.get('baseline'), median)}"
    noise = "The interval is over places; two searches whose intervals overlap are not told apart by it."
    result = f"<p class=big>{_value(test['metrics'][median], median)}</p>"
    return f"{result}<p>median error on the test photos ({span}); {base}</p><p class=hint>{noise}</p>{lines}"


def _test_table(history: History) -> str:
    metrics = history.test.get("metrics", {})
    rows = [(key.removeprefix("test/"), _value(value, key)) for key, value in metrics.items()]
    return _section("On the test photos", _table(("metric", "value"), rows)) if rows else ""


def _ranking(history: History) -> str:
    keys, metrics = history.searched, [metric for metric, _ in history.goals]
    rows = []
    for trial in history.ranked()[:TOP]:
        values = map(_value, history.values(trial), metrics)
        drawn = [_plain(trial.config.get(key, "")) for key in keys]
        breaks = "".join(f", breaks {limit}" for limit in history.breaks(trial))
        rows.append((trial.name, *values, str(len(trial.epochs)), trial.state + breaks, *drawn))
    columns = ("trial", *metrics, "epochs", "state", *(key.removeprefix("model.") for key in keys))
    heading = f"The best {len(rows)} of {len(history.trials)} trials"
    failed = [(t.name, t.state, str(t.outcome.get("reason") or "")) for t in history.trials if t.state in _FAILED]
    broken = _section("Trials without a result", _table(("trial", "state", "reason"), failed)) if failed else ""
    return (_section(heading, _table(columns, rows)) if rows else "") + broken


def _front(history: History) -> str:
    """Of several goals the best compromises."""
    metrics = [metric for metric, _ in history.goals]
    rows = [(trial.name, *map(_value, history.values(trial), metrics)) for trial in history.front()]
    shown = rows and len(metrics) > 1
    return _section("No other trial beats these in every goal", _table(("trial", *metrics), rows)) if shown else ""


def _settings(history: History) -> str:
    """What was asked, and what the best trial was trained with."""
    asked = {k: v for k, v in public(history.asked).items() if k != "space"}
    parts = [_table(("asked", "value"), [(key, _plain(value)) for key, value in flatten(asked).items()])]
    chosen = history.final or next(iter(history.ranked()), None)
    if chosen:
        heading = "full training" if history.final else f"trial {chosen.name}"
        parts.append(_table((heading, "value"), [(key, _plain(value)) for key, value in chosen.config.items()]))
    return _section("Every setting", f"<div class=columns>{''.join(parts)}</div>")


def _use(history: History) -> str:
    if not history.test:
        return ""
    run = f"{history.run.path.parent.name}/{history.run.name}"
    lines = (
        f"geotune predict {run}/model photo.jpg",
        f"geotune evaluate {run}/model data=DIR",
        f"geotune train config={run}/best.yaml data=DIR",
    )
    return _section("Use the model", f"<pre>{html.escape(chr(10).join(lines))}</pre>")


def _section(heading: str, content: str) -> str:
    return f"<section><h2>{html.escape(heading)}</h2>{content}</section>"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(column)}" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}" for cell in row) for row in rows)
    return f"<div class=scroll><table><thead><tr>{head}</thead><tbody>{body}</tbody></table></div>"


def _value(value: Any, metric: str) -> str:
    """`612 km`, `57.4 m`, `12.5 %`, as the metric's name says."""
    return value_text(value, metric) if isinstance(value, int | float) else NONE


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


_FAILED = ("diverged", "infeasible", "crashed")
