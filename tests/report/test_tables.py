"""Tables for other programs and for papers."""

import csv
import io
from typing import Any

from geotune.record.history import read_history
from geotune.report.tables import as_csv, as_latex, as_markdown


def test_csv_holds_every_trial_with_all_digits(finished: Any) -> None:
    finished.trial(4, optim__lr=0.002)
    finished.epoch(4, 1, 1234.56789012345)
    rows = list(csv.DictReader(io.StringIO(as_csv(read_history(finished.path)))))
    assert [row["trial"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert [row["state"] for row in rows] == ["complete", "stopped", "diverged", "crashed", "running"]
    assert [row["valid/median_km"] for row in rows] == ["700.0", "5000.0", "", "", "1234.56789012345"]
    assert [row["epochs"] for row in rows] == ["3", "1", "1", "0", "1"]
    assert [row["optim.lr"] for row in rows] == ["0.001", "0.1", "3.0", "0.01", "0.002"]
    assert [row["model.head.cells"] for row in rows] == ["64", "32", "32", "32", ""]
    assert rows[3]["reason"] == "boom"
    best = list(csv.DictReader(io.StringIO(as_csv(read_history(finished.path), 1))))
    assert [row["trial"] for row in best] == ["0"]


def test_markdown(finished: Any) -> None:
    assert as_markdown(read_history(finished.path), 2).splitlines() == [
        "| trial | median error (km) | epochs | lr | cells |",
        "| ---: | ---: | ---: | ---: | ---: |",
        "| 0 | 700 | 3 | 0.001 | 64 |",
        "| 1 | 5,000 | 1 | 0.1 | 32 |",
        "",
        "test median 612 km (95 % 580-641); one point for every photo would give 6,204 km",
    ]


def test_latex_escapes_and_marks_the_best(finished: Any) -> None:
    finished.trial(4, optim__lr="a_b & 5 %")
    finished.epoch(4, 1, 800.0)
    assert as_latex(read_history(finished.path), 2).splitlines() == [
        "% demo-1: 2 of 5 trials; test median 612 km (95 % 580-641); one point for every photo would give 6,204 km",
        r"% \usepackage{booktabs}",
        r"\begin{tabular}{rrrlr}",
        r"\toprule",
        r"trial & median error (km) & epochs & lr & cells \\",
        r"\midrule",
        r"\textbf{0} & \textbf{700} & \textbf{3} & \textbf{0.001} & \textbf{64} \\",
        r"4 & 800 & 1 & a\_b \& 5 \% & -- \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_a_search_without_a_result(hand_made: Any) -> None:
    history = read_history(hand_made("demo-1").path)
    assert (
        as_csv(history) == "trial,state,valid/median_km,epochs,train_seconds,optim.lr,model.head.cells,breaks,reason\n"
    )
    assert as_markdown(history, 10).splitlines() == ["| trial | median error (km) | epochs |", "| ---: | ---: | ---: |"]
    assert r"\end{tabular}" in as_latex(history, 10)
