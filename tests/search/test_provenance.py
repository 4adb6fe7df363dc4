"""Each setting of a search is told with its value and where that comes from."""

from pathlib import Path
from typing import Any

from geotune.config import dump_yaml
from geotune.search.provenance import Sourced, lines, provenance
from tests.tiny_search import TINY


def found(plan: Any) -> dict[str, tuple[str, str]]:
    return {one.key: (one.source, one.text) for one in provenance(plan)}


def test_every_source(make_search: Any, tmp_path: Path) -> None:
    first = [{"model.head.name": "cells", "model.head.cells": 8}]
    path = tmp_path / "own.yaml"
    path.write_text(dump_yaml(TINY | {"first": first, "sampler": "random", "stopping": {"grace": 5}}))
    words = ("optim.lr=0.01", "train.clip=2", "trials=3", "full.train.patience=4", "stopping.factor=4")
    _, plan = make_search(f"space={path}", *words)
    told = found(plan)
    assert told["optim.lr"] == ("pin", "0.01")
    assert told["train.clip"] == ("command line", "2")
    assert told["trials"] == ("command line", "3")
    assert told["sampler"] == ("space", "random")
    assert told["stopping.grace"] == ("space", "5")
    assert told["stopping.factor"] == ("command line", "4")
    assert told["model.head.name"] == ("first, drawn", "regression | cells")
    assert told["model.head.cells"] == ("first, drawn", "4 | 8, for head cells")
    assert told["train.epochs"] == ("space base", "3")
    assert told["train.select"] == ("goal", "valid/median_km")
    assert told["optim.momentum"] == ("default", "0.9")
    assert told["full.train.epochs"] == ("space full", "4")
    assert told["full.train.patience"] == ("command line", "4")
    assert told["space"] == ("command line", str(path))
    assert "model.head.neighbours" not in told, "no head of this space has it"
    assert not {"notify", "address"} & told.keys(), "nothing is set"


def test_ranges_in_words(make_search: Any, tmp_path: Path) -> None:
    path = tmp_path / "ranges.yaml"
    search = {
        "optim.lr": {"log": [1e-5, 1e-2], "zero": False},
        "optim.weight_decay": {"log": [0.001, 1], "zero": True},
        "train.batch_size": {"pow2": [32, 64]},
        "input.sizes": {"choice": [[32], [32, 64]]},
        "input.mirror": {"choice": [True, False]},
    }
    path.write_text(dump_yaml(TINY | {"search": search}))
    _, plan = make_search(f"space={path}")
    told = found(plan)
    assert told["optim.lr"] == ("drawn", "1e-05 to 0.01, logarithmic")
    assert told["optim.weight_decay"] == ("drawn", "0.001 to 1, logarithmic, or 0")
    assert told["train.batch_size"] == ("drawn", "32 to 64, powers of two")
    assert told["input.sizes"] == ("drawn", "[32] | [32, 64]")
    assert told["input.mirror"] == ("drawn", "true | false")


def test_lines_stand_in_columns_and_defaults_in_a_paragraph() -> None:
    told = [
        Sourced("a", "1", "pin"),
        Sourced("long.key", "2", "command line"),
        *[Sourced(f"d{number}", "0", "default") for number in range(9)],
    ]
    assert lines(told, 40) == [
        "  a         pin           1",
        "  long.key  command line  2",
        "  default: d0=0, d1=0, d2=0, d3=0, d4=0,",
        "    d5=0, d6=0, d7=0, d8=0",
    ]
