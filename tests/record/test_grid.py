"""A grid has every combination once, in an order that covers it from the start."""

from typing import Any

import pytest

from geotune.errors import SettingsError
from geotune.record import grid
from geotune.record.grid import Order, combination, count
from geotune.record.space import Space
from tests.record.toy import CHOICES, PLAIN, plan_of, searched

WHEN = {"model.head.name": ["cells"]}


def test_every_combination_once_conditions_counted() -> None:
    plan = plan_of(CHOICES, sampler="grid")
    assert count(plan.space) == 16  # of 4 layers: one for regression, three for cells
    assert plan.space.size == 24
    found = [combination(plan.space, number) for number in range(16)]
    assert len({tuple(sorted(params.items())) for params in found}) == 16
    assert all(("model.head.cells" in params) == (params["model.head.name"] == "cells") for params in found)


def test_a_grid_of_millions_is_counted_without_a_walk() -> None:
    many = {f"train.{name}": {"int": [1, 1000]} for name in ("epochs", "batch_size", "patience")}
    plan = plan_of(CHOICES | many, sampler="grid", trials=5)
    assert plan.most == 16 * 1000**3
    assert plan.trials == 5


def test_the_budget_is_the_whole_grid_unless_fewer_are_asked_for() -> None:
    assert plan_of(CHOICES, sampler="grid").trials == 16
    few, many = plan_of(CHOICES, sampler="grid", trials=6), plan_of(CHOICES, sampler="grid", trials=60)
    assert (few.trials, few.remarks) == (6, ("sampler=grid: 6 of 16 combinations fit into trials=6",))
    assert (many.trials, many.remarks) == (16, ("sampler=grid: all 16 combinations take fewer than trials=60",))
    assert plan_of(CHOICES).trials == 64


def test_a_search_of_a_grid_tries_each_once_its_first_point_included() -> None:
    plan = plan_of(CHOICES, sampler="grid")
    trials = searched(plan, 16, lambda params: 1.0)
    assert len({tuple(sorted(trial.params.items())) for trial in trials}) == 16
    for parameter in plan.space.parameters[::2]:
        assert len({trial.params[parameter.key] for trial in trials[:6]}) == len(parameter.each), "covered early"
    first = combination(plan.space, 5)
    order = Order(plan.space, 0)
    assert first not in [order.untried([first, *(t.params for t in trials[:k])], k) for k in range(15)]


def test_a_combination_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 10,000 trials each proposal would else take seconds."""
    plan = plan_of(CHOICES, sampler="grid")
    asked: list[int] = []

    def watched(space: Space, number: int) -> dict[str, Any]:
        asked.append(number)
        return combination(space, number)

    monkeypatch.setattr(grid, "combination", watched)
    searched(plan, 16, lambda params: 1.0)
    assert sorted(asked) == list(range(16))


def test_when_all_are_tried_it_begins_anew() -> None:
    plan = plan_of(CHOICES, sampler="grid")
    every = [combination(plan.space, number) for number in range(16)]
    assert Order(plan.space, 0).untried(every, 16) in every


def test_a_range_is_refused_with_the_mend() -> None:
    with pytest.raises(SettingsError) as caught:
        plan_of(PLAIN, sampler="grid")
    text = str(caught.value)
    assert "grid needs values to count, optim.lr is a range; say {choice: [1e-05, 0.00032, 0.01]}" in text
    assert "say {choice: [0, 0.25, 0.5]}" in text
    assert "batch_size" not in text
