"""Search spaces: what is drawn is valid, and every fault of a file is named at once."""

import copy
import math
from pathlib import Path
from typing import Any

import optuna
import pytest

from geotune.config import load_yaml
from geotune.errors import GeotuneError, SettingsError
from geotune.record.library import find, question, shipped
from geotune.record.parameter import Parameter
from geotune.record.space import Space
from tests.record.conftest import TREE

NAMES = sorted(shipped())


def changed(**keys: Any) -> dict[str, Any]:
    tree = copy.deepcopy(TREE)
    for key, value in keys.items():
        tree[key] = {**tree[key], **value} if isinstance(value, dict) else value
    return tree


def faults(tree: dict[str, Any], pins: dict[str, Any] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        Space.parse("toy", tree, pins or {})
    return str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_space_draws_valid_configs(name: str) -> None:
    path = find(name)
    space = Space.parse(name, load_yaml(path), {})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(100):
        space.config(space.draw(study.ask()))
    for point in space.first:
        assert {p.key: p.decode(space.encode(point)[p.key]) for p in space.parameters if p.key in point} == point
    assert question(path).endswith((".", "?")), "the file says which question it answers"


def test_conditions_hold_in_every_draw() -> None:
    space = Space.parse("toy", TREE, {})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(50):
        drawn = space.draw(study.ask())
        assert ("model.head.alpha" in drawn) == (drawn["model.head.name"] == "regression")
        assert ("model.head.cells" in drawn) == (drawn["model.head.name"] == "cells")


def test_a_pin_is_taken_out_of_the_search_and_reaches_the_heads_that_have_it() -> None:
    space = Space.parse("toy", TREE, {"model.head.alpha": 3.0, "train.batch_size": 128})
    assert {p.key for p in space.parameters} == {"model.head.name", "model.head.cells", "optim.lr"}
    assert space.config({"model.head.name": "regression"}).model.head.alpha == 3.0
    assert space.config({"model.head.name": "cells"}).model.head.name == "cells"


def test_pinning_a_parent_settles_its_conditions() -> None:
    space = Space.parse("toy", TREE, {"model.head.name": "cells"})
    assert {p.key for p in space.parameters} == {"model.head.cells", "train.batch_size", "optim.lr"}
    assert all(not p.when for p in space.parameters)


def test_all_faults_at_once() -> None:
    text = faults(
        changed(
            base={"train.epoch": 3},
            search={"model.bakbone": {"choice": ["resnet18"]}, "optim.lr": {"log": [0, 1]}, "train.clip": {"pow": 3}},
            full={"optim.lrr": 1},
        )
    )
    assert text.startswith("5 problems")
    assert "base.train.epoch" in text
    assert "did you mean train.epochs?" in text
    assert "did you mean model.backbone?" in text
    assert "log needs low > 0" in text
    assert "unknown word 'pow'" in text
    assert "did you mean optim.lr?" in text


@pytest.mark.parametrize(
    ("search", "text"),
    [
        ({"optim.lr": {"log": [-1.0, 1.0]}}, "log needs low > 0"),
        ({"train.epochs": {"int": [5, 5]}}, "low < high"),
        ({"train.batch_size": {"pow2": [30, 64]}}, "powers of two"),
        ({"model.frozen_layers": {"int": [0, 9]}}, "at most 5; got 9"),
        ({"optim.schedule": {"choice": ["onecycle", "sawtooth"]}}, "sawtooth"),
        ({"model.head.hidden": {"choice": [1, 1]}}, "a value twice"),
        ({"train.clip": {"uniform": [0, 1], "when": {"optim.name": ["sgd"]}}}, "optim.name is not searched here"),
        ({"train.clip": {"uniform": [0, 1], "when": {"model.head.name": ["mixture"]}}}, "is never 'mixture'"),
        ({"model.head.name": {"choice": ["cells", "foo"]}}, "retrieval, custom; got 'foo'"),
        ({"model.head.cells": {"choice": [32, 64]}}, "regression has no such setting; add when"),
        ({"train.selection": {"choice": ["best", "smoothed"]}}, "compared by one measure: put it under base"),
    ],
)
def test_impossible_ranges(search: dict[str, Any], text: str) -> None:
    assert text in faults(changed(search=search))


def test_a_condition_needs_its_parent_above_it() -> None:
    search = {"model.head.alpha": TREE["search"]["model.head.alpha"], "model.head.name": {"choice": ["regression"]}}
    assert "model.head.name must stand above model.head.alpha" in faults({"search": search})


def test_first_points_are_checked() -> None:
    assert "first[1]" in faults(changed(first=[{"train.batch_size": 48}]))
    assert "not a power of two" in faults(changed(first=[{"train.batch_size": 48}]))
    assert "train.epochs is not searched here" in faults(changed(first=[{"train.epochs": 3}]))
    text = faults(changed(search={"optim.lr": {"log": [1e-5, 1e-4]}}))
    assert "0.001 is outside" in text
    assert "its default" in text


def test_pins_are_checked() -> None:
    assert "did you mean train.epochs?" in faults(TREE, {"train.epoch": 1})
    assert "expected a whole number; got 'abc'" in faults(TREE, {"train.epochs": "abc"})
    assert "only hybrid has it" in faults(TREE, {"model.head.name": "cells", "model.head.alpha": 1}).replace(
        "regression, ", ""
    )


def test_a_duplicate_key_in_a_file_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("budget: {trials: 3}\nsearch:\n  optim.lr: {log: [1e-5, 1e-2]}\n  optim.lr: {log: [1e-5, 1e-3]}\n")
    with pytest.raises(GeotuneError, match=r"s.yaml:4: .*duplicate key"):
        load_yaml(path)


def test_an_unknown_space_names_the_nearest_and_all() -> None:
    with pytest.raises(GeotuneError, match="did you mean img2gps") as caught:
        find("img2gsp")
    assert "demo" in caught.value.hint


@pytest.mark.parametrize("value", [1e-3, 0.5, 10, 0.0])
def test_log_with_zero_round_trip(value: float) -> None:
    parameter = Parameter.parse("a", {"log": [1e-3, 10], "zero": True})
    assert parameter.decode(parameter.encode(value)) == pytest.approx(value)


def test_log_with_zero_draws_zero_now_and_then() -> None:
    parameter = Parameter.parse("a", {"log": [1e-3, 10], "zero": True})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [parameter.draw(study.ask()) for _ in range(300)]
    assert 10 <= sum(v == 0 for v in drawn) <= 60
    assert all(v == 0 or 1e-3 <= v <= 10 for v in drawn)


def test_choices_may_be_lists() -> None:
    parameter = Parameter.parse("input.sizes", {"choice": [[128], [128, 192]]})
    assert parameter.decode(parameter.encode([128, 192])) == [128, 192]
    assert parameter.size == 2


def test_size() -> None:
    assert (
        Space.parse(
            "t", {"search": {"model.frozen_layers": {"int": [0, 5]}, "train.batch_size": {"pow2": [32, 64]}}}, {}
        ).size
        == 12
    )
    assert math.isinf(Space.parse("t", TREE, {}).size)


def test_faults_of_every_stage_are_told_together() -> None:
    tree = changed(
        goal={"minimise": "valid/median"},
        budget={"time": 3},
        base={"model.frozen_layers": 9, "model.head.foo": 1},
        search={"input.augment": {"choice": ["light", "hard"]}},
        full={"train.epochs": "many", "foo": 3},
    )
    text = faults(tree)
    for key in (
        "goal.minimise",
        "budget.time",
        "base.model.head.foo",
        "full.foo",
        "model.frozen_layers",
        "train.epochs",
    ):
        assert key in text
    assert "full.train.epochs" in text


def test_a_space_with_nothing_to_search() -> None:
    assert "geotune train" in faults({"search": {}})
    assert "first" in faults({"search": TREE["search"], "first": [3]})


def test_a_range_holds_what_is_stored_however_it_is_spelt():
    when = {"log": [1e-4, 1e-2], "when": {"model.frozen_layers": "all"}}
    tree = {
        "search": {"model.frozen_layers": {"choice": [0, -1, "all"]}, "optim.lr": when},
        "first": [{"model.frozen_layers": "all"}],
    }
    space = Space.parse("t", tree, {})
    assert space.parameters[0].values == (0, 4, 5)
    assert space.parameters[1].when == {"model.frozen_layers": (5,)}
    assert space.first[0]["model.frozen_layers"] == 5
    pinned = Space.parse("t", tree, {"model.frozen_layers": -5})
    assert pinned.fixed["model.frozen_layers"] == 0
    assert pinned.parameters == ()
    assert Space.parse("t", {"search": {"model.frozen_layers": {"int": [0, -1]}}}, {}).parameters[0].values == (0, 4)
    with pytest.raises(SettingsError, match="choice has a value twice"):
        Space.parse("t", {"search": {"model.frozen_layers": {"choice": [5, "all"]}}}, {})
