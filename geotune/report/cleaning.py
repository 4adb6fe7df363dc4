"""`cleaning.csv` and `cleaning.html`: every photo that was left out or looks odd, and why."""

import csv
import html
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geotune.data.clean import Finding, why
from geotune.data.spreadsheet import quoted
from geotune.record.folder import whole_file, write_atomic
from geotune.report import style
from geotune.report.cleaning_map import position_map
from geotune.report.cleaning_pairs import CSS, gallery, worst

if TYPE_CHECKING:
    from pandas import DataFrame

TABLE, PAGE = "cleaning.csv", "cleaning.html"
COLUMNS = ("id", "reason", "left_out", "detail", "other", "lat", "lon")
NAMED = 3
"""Names that stand for a reason of whose photos there are no pictures."""

_CSS = """
.reasons td { white-space: normal; max-width: none; padding-top: .5rem }
.reasons td:first-child { text-align: right; font-weight: 600 }
.reasons td:nth-child(2) { width: 15rem }
.names { color: #57606a; overflow-wrap: anywhere }
"""

Texts = npt.NDArray[np.str_]
Cases = Sequence[Finding] | Mapping[str, int]
Thumbnail = Callable[[str], bytes | None]


def write_report(
    folder: Path,
    catalogue: "DataFrame",
    findings: Sequence[Finding],
    left_out: Cases,
    thumbnail: Thumbnail,
    splits: Any = None,
) -> tuple[Path, Path]:
    """Write both files into `folder`, each whole or not at all, and return their paths.

    `findings` are the cases among the photos of `catalogue`; `left_out` those that never came into it, or only how
    many for each reason. `thumbnail(id)` gives a photo's picture or None. `splits`, shape (N,), has each photo's split
    by row of the catalogue, "" where it is in none. Raises OSError.
    """
    cases = [*([] if isinstance(left_out, Mapping) else left_out), *findings]
    cases.sort(key=lambda case: not case.left_out)
    counts = left_out if isinstance(left_out, Mapping) else {}
    table = folder / TABLE
    _write_table(table, cases)
    named = None if splits is None else np.asarray(splits).astype(str)
    write_atomic(folder / PAGE, page(catalogue, cases, counts, thumbnail, named))
    return table, folder / PAGE


def _write_table(path: Path, cases: Iterable[Finding]) -> None:
    with whole_file(path, errors="replace") as file:  # a line at a time: there may be a million
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for case in cases:
            texts = (quoted(case.id), quoted(case.reason), "yes" if case.left_out else "no", quoted(case.detail))
            degrees = ("" if math.isnan(value) else f"{value:.7f}" for value in (case.lat, case.lon))
            rows.writerow((*texts, quoted(case.other), *degrees))


def page(
    catalogue: "DataFrame",
    cases: Sequence[Finding],
    counts: Mapping[str, int],
    thumbnail: Thumbnail,
    splits: Texts | None,
) -> str:
    """The whole page as HTML; it asks no network for anything."""
    # plotly looks into pandas when anything has begun to import it; importing it here waits for that import's end.
    import pandas  # noqa: F401
    from plotly.offline import get_plotlyjs

    pictures = gallery(worst(catalogue, cases), thumbnail)
    body = [_headline(catalogue, cases, counts, splits), _counts(cases, counts, pictures)]
    figure = position_map(catalogue, cases, splits)
    if figure is not None:
        options = {"displayModeBar": False, "responsive": True, "scrollZoom": True}
        drawn = figure.to_html(full_html=False, include_plotlyjs=False, config=options, div_id="map")
        hint = (
            "Click a name to show or hide its photos, twice to see them alone; turn the wheel to zoom, click the map "
            "twice to see all of it."
        )
        body.append(f"<section><h2>Where the photos lie</h2><p class=hint>{hint}</p>{drawn}</section>")
    for number, (reason, drawn) in enumerate(pictures.items()):
        heading = html.escape(f"{reason[:1].upper()}{reason[1:]}: the worst")
        body.append(f"<section id=reason-{number}><h2>{heading}</h2><div class=cases>{drawn}</div></section>")
    head = (
        "<meta charset=utf-8><meta name=viewport content='width=device-width'><title>Cleaning report - geotune</title>"
    )
    head += f"<style>{style.CSS}{_CSS}{CSS}</style>"
    if figure is not None:
        head += f"<script>{get_plotlyjs()}</script>"
    content = "\n".join(part for part in body if part)
    whole = f"<!doctype html>\n<html lang=en><head>{head}</head><body>{content}</body></html>\n"
    return whole.encode("utf-8", "replace").decode()  # a file name may be no text


def _headline(catalogue: "DataFrame", cases: Sequence[Finding], counts: Mapping[str, int], splits: Texts | None) -> str:
    # an id that is listed twice is kept and left out: cases count, not ids
    gone = sum(case.left_out for case in cases) + sum(counts.values())
    odd = len({case.id for case in cases if not case.left_out})
    kept = len(catalogue) if splits is None else int((splits != "").sum())
    share = f" ({100 * gone / (kept + gone):.1f} % of all)" if gone else ""
    lines = [
        f"<p class=big>{kept:,} photos kept</p>",
        f"<p>{gone:,} left out{share}; {odd:,} kept but worth a look</p>",
    ]
    named = Counter(splits[splits != ""].tolist()) if splits is not None else Counter()
    if named:
        told = ", ".join(f"{count:,} {html.escape(str(name))}" for name, count in named.most_common())
        lines.append(f"<p class=hint>{told}</p>")
    return f"<header><h1>Cleaning report</h1>{''.join(lines)}</header>"


def _counts(cases: Sequence[Finding], counts: Mapping[str, int], pictures: Mapping[str, str]) -> str:
    """Two tables: every reason with its count, its cause and what to do, and where it is shown or who they are."""
    anchors = {reason: f"<br><a href='#reason-{number}'>See the worst</a>" for number, reason in enumerate(pictures)}
    parts = []
    for heading, gone in (("Left out", True), ("Kept, but worth a look", False)):
        some: dict[str, list[Finding]] = {}
        for case in cases:
            if case.left_out == gone:
                some.setdefault(case.reason, []).append(case)
        number = Counter({reason: len(found) for reason, found in some.items()}) + Counter(counts if gone else {})
        rows = []
        for reason, count in number.most_common():
            about = html.escape(why(reason)) + (anchors.get(reason) or _names(some.get(reason, [])))
            rows.append(f"<tr><td>{count:,}<td>{html.escape(reason)}<td>{about}")
        if rows:
            parts.append(f"<section><h2>{heading}</h2><table class=reasons>{''.join(rows)}</table></section>")
    every = f"All {len(cases):,} cases stand in <code>{TABLE}</code>." if cases else "Nothing was found."
    return "".join(parts) + f"<section><p>{every}</p></section>"


def _names(cases: Sequence[Finding]) -> str:
    told = [html.escape(case.id + (f" ({case.detail})" if case.detail else "")) for case in cases[:NAMED]]
    more = f" and {len(cases) - NAMED:,} more" if len(cases) > NAMED else ""
    return f"<br><span class=names>{', '.join(told)}{more}</span>" if told else ""
