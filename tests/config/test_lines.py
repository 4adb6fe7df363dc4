"""Where a setting stands in its file."""

import pickle
from pathlib import Path

import pytest

from geotune.config import Loaded, dump_yaml, line_of, load_yaml, places

SPACE = """\
# a question?
goal: {minimize: valid/median}

base: &base
  model.head.name: cells
  train:
    epochs: 3
search:
  model.head.alpha:
    log: [1, 2]
    when: {model.head.name: [cells]}
first:
  - {optim.lr: 1}

  - optim.lr: 2
    optim:
      name: sgd
full: *base
"""


@pytest.fixture
def tree(tmp_path: Path) -> Loaded:
    path = tmp_path / "mine.yaml"
    path.write_text(SPACE)
    return load_yaml(path)


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("goal", 2),
        ("goal.minimize", 2),
        ("base.model.head.name", 5),
        ("base.train.epochs", 7),
        ("search.model.head.alpha", 9),
        ("search.model.head.alpha.when", 11),
        ("first[1]", 13),
        ("first[2]", 15),
        ("first[2].optim.name", 17),
        ("first[2].optim.momentum", 16),
        ("first[3]", 12),
        ("base.train.batch_size", 6),
        ("full.train.epochs", 18),
        ("budget.trials", None),
        ("model.head.alpha", None),
        ("", None),
    ],
)
def test_a_key_or_the_group_that_should_hold_it(tree: Loaded, key: str, line: int | None) -> None:
    assert line_of(tree, key) == line


def test_places_name_the_file(tree: Loaded) -> None:
    assert places(tree, ["search.model.head.alpha", "trials"]) == {"search.model.head.alpha": "mine.yaml:9"}


def test_a_plain_mapping_has_no_places() -> None:
    assert line_of({"a": 1}, "a") is None
    assert places({"a": 1}, ["a"]) == {}


def test_a_loaded_mapping_is_written_like_a_plain_one_and_passes_a_process_boundary(tree: Loaded) -> None:
    assert dump_yaml({"file": tree}) == dump_yaml({"file": dict(tree)})
    again = pickle.loads(pickle.dumps(tree))
    assert (again, again.path, again.lines) == (tree, tree.path, tree.lines)


def test_an_alias_that_leads_back_to_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "round.yaml"
    path.write_text("a: &a\n  b: [*a]\n  c: 1\n")
    assert line_of(load_yaml(path), "a.c") == 3
