"""`geotune data cells`: the numbers, the map, the file, and mistakes."""

import json
from functools import partial

import pytest

from geotune.commands.data.cells import KINDS
from geotune.geo.cells.kinds import KINDS as BUILT
from tests.train.conftest import write


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    return write(tmp_path_factory.mktemp("cells") / "town")


@pytest.fixture
def shown(geotune, town):
    """`shown(*words)` -> exit code, stdout, stderr of `geotune data cells` on a small dataset."""
    return partial(geotune, "data", "cells", town)


def test_the_command_knows_every_kind():
    assert tuple(BUILT) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_built_and_told_of(shown, kind):
    code, out, _ = shown("--kind", kind, "--cells", 8)
    assert code == 0
    assert f" {kind} cells of " in out.splitlines()[0]
    for word in ("photos a cell", "radius ", "floor, train", "floor, valid", "borders ", "fingerprint "):
        assert f"\n  {word}" in out


def test_cells_are_saved_drawn_and_taken_again(shown, tmp_path):
    code, out, _ = shown("--cells", 8, "--save", tmp_path / "cells.json", "--out", tmp_path / "cells.html")
    assert code == 0
    assert f"model.head.cells_file={tmp_path / 'cells.json'}" in out
    fingerprint = json.loads((tmp_path / "cells.json").read_text())["fingerprint"]
    assert fingerprint in (tmp_path / "cells.html").read_text()
    code, again, _ = shown("--from", tmp_path / "cells.json")
    assert code == 0
    assert f"fingerprint    {fingerprint}" in again


def test_warnings_of_the_builders_are_said(shown):
    assert "warning: " in shown("--kind", "borders", "--cells", 8, "--minimum", 100_000)[1]


def test_mistakes_are_said(shown, tmp_path):
    for words, text in (
        (["--out", "cells.png"], "say cells.html"),
        (["--save", "cells.csv"], "say cells.json"),
        (["--minimum", 5], "not for kind kmeans"),
        (["--from", tmp_path / "none.csv"], "cannot be read"),
        (["--kind", "s2", "--minimum", 100_000], "no square of the Earth holds"),
        (["--kind", "hexagons"], "hexagons"),
        (["--save", tmp_path / "no" / "cells.json"], "cannot be written"),
    ):
        code, _, err = shown(*words)
        assert code == 2, words
        assert text in err
