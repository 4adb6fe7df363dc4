"""The stopping rule that the settings name, as an Optuna pruner that says why it stops a trial."""

import math
from typing import Protocol

import optuna
from optuna.trial import FrozenTrial

from geotune.record.asha import ASHA
from geotune.record.hopeless import Hopeless
from geotune.record.rungs import rungs_of
from geotune.record.stopping import StoppingSettings


class Says(Protocol):
    """A rule that gives its reason."""

    def why(self, study: optuna.Study, trial: FrozenTrial) -> str: ...


class Rule(optuna.pruners.BasePruner):
    """Stop a trial as soon as one of several rules says so. A NaN stops under every rule, and at once."""

    def __init__(self, *rules: Says) -> None:
        self.rules = rules

    def why(self, study: optuna.Study, trial: FrozenTrial) -> str:
        """Why the trial is stopped after its last epoch; empty where it goes on."""
        epoch = trial.last_step
        if epoch is None:
            return ""
        if math.isnan(trial.intermediate_values[epoch]):
            return f"its error is not a number after epoch {epoch}"
        return next((why for rule in self.rules if (why := rule.why(study, trial))), "")

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        return bool(self.why(study, trial))


class OptunaRule:
    """A pruner of Optuna's own; its reason is its name."""

    def __init__(self, name: str, pruner: optuna.pruners.BasePruner) -> None:
        self.name, self.pruner = name, pruner

    def why(self, study: optuna.Study, trial: FrozenTrial) -> str:
        return f"by the {self.name} rule after epoch {trial.last_step}" if self.pruner.prune(study, trial) else ""


def stopping_rule(settings: StoppingSettings, epochs: int) -> Rule:
    """The rule of a search whose longest trials have so many epochs.

    With several objectives ASHA goes by the first; Optuna's rules know one only (geotune.record.stopping.problems).
    """
    grace, factor, enough = settings.first_rung(epochs), settings.factor, settings.enough
    if settings.rule == "asha":
        rungs = rungs_of(settings, epochs)
        return Rule(Hopeless(rungs, settings.far, settings.rungs_by), ASHA(rungs, enough, settings.rungs_by))
    if settings.rule == "median":
        median = optuna.pruners.MedianPruner(n_startup_trials=enough, n_warmup_steps=grace)
        return Rule(OptunaRule("median", median))
    if settings.rule == "hyperband":
        most = max(epochs, grace)
        return Rule(OptunaRule("hyperband", optuna.pruners.HyperbandPruner(grace, most, factor)))
    return Rule()
