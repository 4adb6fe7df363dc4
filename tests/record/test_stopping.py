"""The words of `stopping`: how they are written, what goes with which space, what is wrong with them."""

from typing import Any

import pytest

from geotune.errors import SettingsError
from geotune.record.plan import Plan
from geotune.record.space import Space
from geotune.record.stopping import StoppingSettings
from tests.record.conftest import DATA, TREE


def stopping(tree: Any = None, **asked: Any) -> StoppingSettings:
    """What a search in the toy space has, with `stopping` in its file and words on its command line."""
    whole = TREE if tree is None else {**TREE, "stopping": tree}
    words = {key.replace("__", "."): value for key, value in asked.items()}
    return Plan.make(words, Space.parse("toy", whole, {}), whole, {}, DATA).stopping


def test_a_bare_word_is_the_rule() -> None:
    assert stopping("none").rule == "none"
    assert stopping(stopping="median").rule == "median"
    assert stopping({"rule": "none", "grace": 5}) == stopping("none", stopping__grace=5)


def test_the_command_line_goes_over_the_file_word_by_word() -> None:
    assert stopping({"grace": 5, "far": 3}, stopping="hyperband") == stopping(
        "hyperband", stopping__grace=5, stopping__far=3
    )


@pytest.mark.parametrize(("epochs", "grace"), [(1, 2), (9, 2), (20, 3), (30, 5), (60, 10)])
def test_the_grace_is_a_sixth_of_the_epochs_unless_it_is_given(epochs: int, grace: int) -> None:
    tree = {**TREE, "base": {**TREE["base"], "train.epochs": epochs}}
    plan = Plan.make({}, Space.parse("toy", tree, {}), tree, {}, DATA)
    assert plan.stopping.grace == grace
    assert plan.tree["settings"]["stopping"]["grace"] == grace, "it is written down"
    assert Plan.make({"stopping.grace": 4}, plan.space, tree, {}, DATA).stopping.grace == 4


def test_of_searched_epochs_the_most_count() -> None:
    tree = {**TREE, "first": [], "search": {**TREE["search"], "train.epochs": {"choice": [6, 24]}}}
    del tree["base"]
    assert Plan.make({}, Space.parse("toy", tree, {}), tree, {}, DATA).stopping.grace == 4


@pytest.mark.parametrize(
    ("words", "key", "problem"),
    [
        ({"rule": "hyperband", "resource": "photos"}, "resource", "hyperband counts epochs; photos take stopping=asha"),
        ({"resource": "photos"}, "grace", "expected photos, as in 20000, with stopping.resource=photos; got auto"),
        (
            {"resource": "photos", "grace": 3},
            "grace",
            "expected photos, as in 20000, with stopping.resource=photos; got 3",
        ),
        ({"far": 0.5}, "far", "expected a multiple of the best error, as in 2.5, or 0; got 0.5"),
        (
            {"rungs_by": "model.head.nam"},
            "rungs_by",
            "model.head.nam is not searched here: no such setting; did you mean model.head.name?",
        ),
        (
            {"rungs_by": "optim.lr"},
            "rungs_by",
            "optim.lr is a range, every trial would have a rung of its own; expected a setting with few values",
        ),
        ({"rule": "asher"}, "rule", "expected asha | hyperband | median | none; got 'asher'; did you mean asha?"),
        ({"grace": 0}, "grace", "expected a value at least 1; got 0"),
    ],
)
def test_what_is_wrong_is_said(words: Any, key: str, problem: str) -> None:
    for given in ({"tree": words}, {f"stopping__{word}": value for word, value in words.items()}):
        with pytest.raises(SettingsError) as error:
            stopping(**given)
        assert dict(error.value.problems)[f"stopping.{key}"] == problem


def test_optunas_rules_know_one_objective() -> None:
    goals = {"goal": {"minimize": ["valid/median", "train/seconds"]}}
    tree = {**TREE, **goals, "stopping": "median"}
    with pytest.raises(SettingsError, match="median knows one objective, here are 2; take asha or none"):
        Plan.make({}, Space.parse("toy", tree, {}), tree, {}, DATA)
    assert stopping({"rule": "asha"}).rule == "asha"


def test_rungs_by_a_choice_or_by_what_is_fixed() -> None:
    assert stopping({"rungs_by": "model.head.name"}).rungs_by == "model.head.name"
    assert stopping({"rungs_by": "model.backbone"}).rungs_by == "model.backbone", "one value: one set of rungs"
