"""`warm_start`: earlier trials inform the sampler, in the terms of the new space, and nothing else."""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from geotune.errors import GeotuneError
from geotune.record.earlier import warmed
from geotune.record.folder import RunFolder
from geotune.record.plan import Plan
from geotune.record.proposals import Proposer
from geotune.record.record import Record
from geotune.record.space import Space
from geotune.record.spread import spread
from geotune.record.trial import Outcome
from tests.record.conftest import DATA, TREE

GOAL = "valid/median_km"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search of twelve trials: small batches do well, one trial diverged and one crashed."""
    run = RunFolder.create(tmp_path_factory.mktemp("runs"), "toy")
    Plan.make({"stopping": "none"}, Space.parse("toy", TREE, {}), TREE, {}, DATA).write(run)
    record = Record(run, background=False)
    outcomes = {4: Outcome.DIVERGED, 5: Outcome.CRASHED}
    while (trial := record.issue()) is not None:
        batch = trial.config.train.batch_size
        for epoch in (1, 2, 3):
            metrics = {GOAL: batch + 10.0 / epoch, "valid/mean_km": 2.0 * batch, "train/seconds": 4096 / batch}
            record.report(trial.number, trial.attempt, epoch, metrics)
        record.finish(trial.number, trial.attempt, outcomes.get(trial.number, Outcome.COMPLETE))
    record.close()
    return run.path


@pytest.fixture
def earlier(whole: Path, tmp_path: Path) -> RunFolder:
    """A copy of that search."""
    return RunFolder.open(shutil.copytree(whole, tmp_path / "toy-1"))


def asked(run: RunFolder, tree: dict[str, Any] = TREE, data: dict[str, Any] = DATA, **words: Any) -> Plan:
    words = {"warm_start": str(run.path), **words}
    return warmed(Plan.make(words, Space.parse("toy", tree, {}), tree, {}, data))


def changed(**search: Any) -> dict[str, Any]:
    tree = copy.deepcopy(TREE)
    tree["search"] |= search
    return tree


def test_the_same_space_takes_all_that_ended_but_not_what_crashed(earlier: RunFolder) -> None:
    plan = asked(earlier)
    record = Record(earlier)
    ended = [trial for trial in record.study.get_trials() if trial.state is not TrialState.FAIL]
    record.close()
    assert len(ended) == 11
    assert [trial.params for trial in plan.earlier] == [trial.params for trial in ended]
    assert [trial.values for trial in plan.earlier] == [trial.values for trial in ended]
    assert [trial.number for trial in plan.earlier] == list(range(-11, 0))
    assert [trial.constraints for trial in plan.earlier] == [trial.constraints for trial in ended]
    shared = "model.head.name, model.head.alpha, model.head.cells, train.batch_size, optim.lr"
    said = f"warm_start={earlier.path}: 11 of 11 trials lie within this space; both search {shared}"
    assert plan.remarks == (said,)


def test_another_space_takes_what_lies_within_it(earlier: RunFolder) -> None:
    tree = changed(**{"train.batch_size": {"pow2": [32, 256]}, "model.frozen_layers": {"int": [0, 3]}})
    tree["base"]["train.epochs"] = 12
    plan = asked(earlier, tree)
    assert 0 < len(plan.earlier) < 11
    assert all(5 <= trial.params["train.batch_size"] <= 8 for trial in plan.earlier)
    assert {trial.params["model.frozen_layers"] for trial in plan.earlier} == {0}, "what all earlier trials had"
    assert f"{len(plan.earlier)} of 11 trials lie within this space" in plan.remarks[0]
    assert "only here model.frozen_layers; there train.epochs=9 (here 12)" in plan.remarks[0]


def test_the_new_limits_hold_for_earlier_trials(earlier: RunFolder) -> None:
    plan = asked(earlier, {**TREE, "where": {"seconds_per_epoch": "< 20"}})
    for trial in plan.earlier:
        if trial.state is TrialState.COMPLETE:
            broken = trial.constraints["seconds_per_epoch < 20"] > 0
            assert broken == (2 ** trial.params["train.batch_size"] < 4096 / 20)


def test_they_inform_the_sampler_from_the_first_trial_and_nothing_else(
    earlier: RunFolder, make_run: Callable[..., RunFolder]
) -> None:
    plan = asked(earlier)
    told = [Proposer(plan).propose(number, []) for number in range(20, 40)]
    untold = [spread(plan.space, 0, number) for number in range(20, 40)]
    assert all(one != other for one, other in zip(told, untold, strict=True))
    assert sum(p["train.batch_size"] for p in told) < sum(p["train.batch_size"] for p in untold)
    run = RunFolder.create(earlier.path.parent, "next")
    plan.write(run)
    record = Record(run)
    assert (record.limit, len(record.trials()), record.best()) == (12, 0, None)
    assert record.issue() is not None
    record.close()


def test_a_run_keeps_its_own_copy(earlier: RunFolder) -> None:
    plan = asked(earlier)
    run = RunFolder.create(earlier.path.parent, "next")
    plan.write(run)
    shutil.rmtree(earlier.path)
    again = Plan.read(run)
    assert again.earlier == plan.earlier
    assert Proposer(again).propose(3, []) == Proposer(plan).propose(3, [])


def test_a_run_is_found_by_its_name_and_several_by_commas(earlier: RunFolder) -> None:
    runs, name = str(earlier.path.parent), earlier.path.name
    assert len(asked(earlier, warm_start=name, runs=runs).earlier) == 11
    assert len(asked(earlier, warm_start=f"{name}, {earlier.path}", runs=runs).earlier) == 22


def test_a_running_search_can_inform_another(earlier: RunFolder) -> None:
    record = Record(earlier)  # holds the journal's lock
    before = earlier.journal.read_bytes()
    assert len(asked(earlier).earlier) == 11
    assert earlier.journal.read_bytes() == before
    record.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"goal.minimize": "valid/mean"}, "its goal is minimize valid/median_km, here it is minimize valid/mean_km"),
        ({"goal": ["valid/median", "train/seconds"]}, "here it is minimize valid/median_km, minimize train/seconds"),
        ({"sampler": "random"}, "sampler=random learns from no trials, earlier ones either"),
        ({"warm_start": "no-such"}, "not the folder of a search"),
    ],
)
def test_what_cannot_inform(earlier: RunFolder, words: dict[str, Any], said: str) -> None:
    with pytest.raises(GeotuneError) as caught:
        asked(earlier, **words)
    assert said in str(caught.value)


def test_other_data_is_refused_unless_told(earlier: RunFolder) -> None:
    other = {**DATA, "fingerprint": "g"}
    with pytest.raises(GeotuneError, match=r"searched on other data \(f, here g\)") as caught:
        asked(earlier, data=other)
    assert "warm_start_other_data=true" in caught.value.hint
    assert len(asked(earlier, data=other, warm_start_other_data=True).earlier) == 11


def test_spaces_with_nothing_in_common(earlier: RunFolder) -> None:
    with pytest.raises(GeotuneError, match="search no setting in common") as caught:
        asked(earlier, {"search": {"train.clip": {"uniform": [0, 1]}}})
    assert "here: train.clip" in caught.value.hint


def test_a_run_without_trials(earlier: RunFolder, make_run: Callable[..., RunFolder], tmp_path: Path) -> None:
    with pytest.raises(GeotuneError, match="has no trials yet"):
        asked(make_run())
