"""`warm_start=RUN[,RUN]`: what earlier searches tried, in the terms of a new one.

It informs the sampler only: no budget, rung, ranking or winner knows of it.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from geotune.config import Flat, flatten
from geotune.errors import GeotuneError
from geotune.record.folder import RunFolder
from geotune.record.plan import Plan
from geotune.record.reported import Reported
from geotune.record.samplers import LEARNERS
from geotune.record.snapshot import ALWAYS
from geotune.record.thinning import Thinning
from geotune.record.trial import drawn_of
from geotune.record.warm import numbered, warm_trial


def warmed(plan: Plan) -> Plan:
    """The plan with the trials of the runs that `warm_start` names; GeotuneError where they cannot inform it.

    Of each run at most as many as a sampler reads.
    """
    if not plan.settings.warm_start:
        return plan
    if plan.sampler not in LEARNERS:
        mend = f"leave warm_start out, or take sampler={' or '.join(LEARNERS)}"
        raise GeotuneError(f"warm_start: sampler={plan.sampler} learns from no trials, earlier ones either", mend)
    found: list[FrozenTrial] = []
    remarks: list[str] = []
    for name in plan.settings.warm_start:
        run = _open(name, plan)
        earlier = Plan.read(run)
        _check(plan, earlier, name)
        ended = list(_ended(run))
        known, _ = Thinning(earlier.goals, LEARNERS[plan.sampler].limit)(ended)
        inside = [told for trial in known if (told := _translated(plan, earlier, run, trial)) is not None]
        found += inside
        remarks.append(_remark(plan, earlier, name, len(inside), len(known), len(ended)))
    return replace(plan, earlier=numbered(found), remarks=(*plan.remarks, *remarks))


def _open(name: str, plan: Plan) -> RunFolder:
    """A run by its path, or by its name among those of the same runs folder."""
    beside = Path(plan.settings.runs) / name
    run = RunFolder.open(beside if beside.is_dir() and not Path(name).is_dir() else Path(name))
    if not run.journal.is_file():
        raise GeotuneError(f"warm_start={name}: has no trials yet", "leave it out")
    return run


def _check(plan: Plan, earlier: Plan, name: str) -> None:
    """Raise GeotuneError unless the earlier values can be compared with new ones."""
    if earlier.goals[0] != plan.goals[0] or not set(plan.goals) <= set(earlier.goals):
        theirs, ours = (", ".join(f"{g.direction} {g.metric}" for g in p.goals) for p in (earlier, plan))
        raise GeotuneError(
            f"warm_start={name}: its goal is {theirs}, here it is {ours}", "take a run with the same goal"
        )
    theirs, ours = (str(p.tree["dataset"].get("fingerprint")) for p in (earlier, plan))
    if theirs != ours and not plan.settings.warm_start_other_data:
        mend = "where its settings do well, these may not; if you think they do: warm_start_other_data=true"
        raise GeotuneError(f"warm_start={name}: it searched on other data ({theirs}, here {ours})", mend)
    if not _shared(plan, earlier):
        mend = f"there: {', '.join(_keys(earlier))}; here: {', '.join(_keys(plan))}"
        raise GeotuneError(f"warm_start={name}: the two spaces search no setting in common", mend)


def _ended(run: RunFolder) -> Iterator[FrozenTrial]:
    """The trials of a run that ended, but not by a crash. Its journal is read and no lock is taken."""
    storage = JournalStorage(JournalFileBackend(str(run.journal)))
    for name in optuna.get_all_study_names(storage):
        study = optuna.load_study(study_name=name, storage=storage)
        yield from study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _translated(plan: Plan, earlier: Plan, run: RunFolder, trial: FrozenTrial) -> FrozenTrial | None:
    """The trial in the terms of the new search; None where one of its values lies outside the new ranges."""
    drawn = drawn_of(trial, earlier)
    had = flatten(earlier.config(drawn)) | drawn
    params: dict[str, Any] = {}
    mine: Flat = {}
    for parameter in plan.space.parameters:
        if plan.space.applies(parameter, mine):
            try:
                params[parameter.key] = parameter.encode(had.get(parameter.key))
            except ValueError:
                return None
            mine[parameter.key] = had[parameter.key]
            if trial.distributions.get(parameter.key) == parameter.distribution:  # of several that mean 0, the same
                params[parameter.key] = trial.params[parameter.key]
    reported = Reported.read(earlier, trial, run.trial(trial.number)) if plan.where else Reported(earlier)
    kept = reported.standing.epoch
    limits = {str(limit): limit.excess(limit.value(reported.epochs, kept)) for limit in plan.where}
    always = {name: excess for name, excess in trial.constraints.items() if name in ALWAYS}
    places = [earlier.goals.index(goal) for goal in plan.goals]
    step = trial.last_step
    return warm_trial(
        params,
        plan.space.parameters,
        state=trial.state,
        values=None if trial.values is None else [trial.values[place] for place in places],
        step=step,
        value=0.0 if step is None else trial.intermediate_values[step],
        constraints=always | limits,
    )


def _keys(plan: Plan) -> list[str]:
    return [parameter.key for parameter in plan.space.parameters]


def _shared(plan: Plan, earlier: Plan) -> list[str]:
    return [key for key in _keys(plan) if key in _keys(earlier)]


def _remark(plan: Plan, earlier: Plan, name: str, inside: int, read: int, ended: int) -> str:
    of = f"{read} (the best and a part of {ended})" if read < ended else f"{ended}"
    shared = _shared(plan, earlier)
    new = [key for key in _keys(plan) if key not in shared]
    return (
        f"warm_start={name}: {inside} of {of} trials lie within this space; both search {', '.join(shared)}"
        + (f"; only here {', '.join(new)}" if new else "")
        + _differing(plan, earlier)
    )


def _differing(plan: Plan, earlier: Plan) -> str:
    """Settings that no trial of either search varies, and that are not the same in both."""
    varied = {*_keys(plan), *_keys(earlier)}
    fixed = [key for key in {**earlier.space.fixed, **plan.space.fixed} if key not in varied]
    values = [(key, earlier.space.possible(key)[0], plan.space.possible(key)[0]) for key in fixed]
    other = [f"{key}={there} (here {here})" for key, there, here in values if there != here]
    return f"; there {', '.join(other)}" if other else ""
