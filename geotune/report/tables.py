"""A search's trials as tables for other programs and for papers: CSV, Markdown, LaTeX."""

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from geotune.geo.metrics import words
from geotune.record.history import History, TrialHistory
from geotune.record.words import NONE, number_text, short, short_key, tested_text, unit_of

LATEX = {c: rf"\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\^{}"}
LATEX |= {"<": r"\textless{}", ">": r"\textgreater{}", NONE: "--"}


def as_csv(history: History, top: int | None = None) -> str:
    """Every trial by number, or the best `top`, with all digits; a value that there is not is an empty cell."""
    keys = history.searched
    trials = history.ranked()[: top or None] if top is not None else history.trials
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    metrics = [metric for metric, _ in history.goals]
    rows.writerow(["trial", "state", *metrics, "epochs", "train_seconds", *keys, "breaks", "reason"])
    for trial in trials:
        values = ["" if math.isnan(value) else repr(value) for value in history.values(trial)]
        drawn = [_cell(trial.config.get(key)) for key in keys]
        breaks, reason = "; ".join(history.breaks(trial)), str(trial.outcome.get("reason") or "")
        rows.writerow(
            [trial.name, trial.state, *values, len(trial.epochs), f"{trial.seconds:.3f}", *drawn, breaks, reason]
        )
    return text.getvalue()


def as_markdown(history: History, top: int | None) -> str:
    """The best trials, rounded for reading; below it the test's result."""
    heads, rows, right = _table(history, top)
    marks = ["---:" if index in right else "---" for index in range(len(heads))]
    lines = [heads, marks, *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{text}\n" + (f"\n{tested_text(history.test)}\n" if history.test else "")


def as_latex(history: History, top: int | None) -> str:
    """The same as a `tabular` with the rules of the package booktabs, the best trial in bold."""
    heads, rows, right = _table(history, top)
    columns = "".join("r" if index in right else "l" for index in range(len(heads)))
    about = f"{history.run.name}: {len(rows)} of {len(history.trials)} trials" + (
        f"; {tested_text(history.test)}" if history.test else ""
    )
    lines = [f"% {about}", r"% \usepackage{booktabs}", rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    lines += [_latex_row(heads), r"\midrule"]
    lines += [_latex_row(row, bold=number == 0) for number, row in enumerate(rows)]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


WRITERS: dict[str, Callable[[History, int | None], str]] = {"csv": as_csv, "markdown": as_markdown, "latex": as_latex}


def _table(history: History, top: int | None) -> tuple[list[str], list[list[str]], set[int]]:
    """Headings, rows of the best trials, and which columns are numbers; settings that none of them has are left out."""
    ranked = history.ranked()[: top or None]
    keys = [key for key in history.searched if any(key in trial.config for trial in ranked)]
    metrics = [metric for metric, _ in history.goals]
    heads = ["trial", *map(_heading, metrics), "epochs", *map(short_key, keys)]
    rows = [
        [trial.name, *_numbers(history, trial), str(len(trial.epochs)), *_settings(trial, keys)] for trial in ranked
    ]
    numbers = {
        index
        for index, key in enumerate(keys, start=len(metrics) + 2)
        if all(isinstance(trial.config.get(key, 0), int | float) for trial in ranked)
    }
    return heads, rows, numbers | set(range(len(metrics) + 2))


def _numbers(history: History, trial: TrialHistory) -> list[str]:
    return [number_text(v, metric) for v, (metric, _) in zip(history.values(trial), history.goals, strict=True)]


def _settings(trial: TrialHistory, keys: Sequence[str]) -> list[str]:
    return [short(trial.config[key]) if key in trial.config else NONE for key in keys]


def _heading(metric: str) -> str:
    """`valid/median_m` -> `median error (m)`."""
    unit = unit_of(metric)
    return f"{words(metric)} ({unit})" if unit else words(metric)


def _latex_row(cells: Sequence[str], bold: bool = False) -> str:
    told = ["".join(LATEX.get(c, c) for c in cell) for cell in cells]
    return " & ".join(rf"\textbf{{{cell}}}" if bold else cell for cell in told) + r" \\"


def _cell(value: Any) -> Any:
    """A setting as CSV holds it: a list as JSON, what there is not as nothing."""
    return "" if value is None else json.dumps(value) if isinstance(value, list) else value
