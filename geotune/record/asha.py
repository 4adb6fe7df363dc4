"""Asynchronous successive halving (ASHA, Li et al. 2018, arXiv:1810.05934) as an Optuna pruner.

It keeps no state: the rungs are read from the study's intermediate values, so nothing is lost when a search is
killed and resumed.
"""

import optuna
from optuna.trial import FrozenTrial

from geotune.record.rungs import Rungs
from geotune.record.standings import breaks, reached, sign_of, standing


class ASHA(optuna.pruners.BasePruner):
    """Stop a trial at a rung unless it is among the best 1/factor of all that reached that rung.

    Between rungs nothing is decided. A rung stops nobody before it holds `enough` trials. With a parameter named in
    `by`, each of its values has rungs of its own. A trial that keeps every limit of `where` is compared with such ones
    alone. Costs one look at every trial.
    """

    def __init__(self, rungs: Rungs, enough: int, by: str = "") -> None:
        self.rungs, self.enough, self.by = rungs, enough, by

    def why(self, study: optuna.Study, trial: FrozenTrial) -> str:
        """Why the trial is stopped after its last epoch; empty where it goes on."""
        epoch = trial.last_step
        rung = self.rungs.at(trial, epoch) if epoch else None
        if epoch is None or rung is None:
            return ""
        sign = sign_of(study)
        value = standing(trial, epoch, sign)
        group = trial.params.get(self.by)
        others = [other for other in study.get_trials(deepcopy=False) if other.number != trial.number]
        if self.by:
            others = [other for other in others if other.params.get(self.by) == group]
        if not breaks(trial):
            others = [other for other in others if not breaks(other)]
        if self.rungs.resource == "epochs":  # one epoch for all
            found = [reached(other, epoch, sign) for other in others]
        else:
            stands = [(other, self.rungs.epoch(other, rung)) for other in others]
            found = [None if at is None else reached(other, at, sign) for other, at in stands]
        peers = [peer for peer in found if peer is not None]
        better, here = sum(peer < value for peer in peers), len(peers) + 1
        if here < self.enough or better < max(1, here // self.rungs.factor):
            return ""
        among = f" with {self.by}={group}" if self.by else ""
        return f"behind {better} of {here - 1} other trials{among} after {self.rungs.amount(rung)}"

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        return bool(self.why(study, trial))
