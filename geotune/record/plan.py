"""The plan of a search: everything that was asked, written once to the run folder's search.yaml."""

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import metadata
from typing import Any

from optuna.trial import FrozenTrial

from geotune import __version__
from geotune.config import Flat, build, dump_yaml, flatten, load_yaml, nest
from geotune.errors import GeotuneError
from geotune.geo.metrics import Extent
from geotune.model.settings import WINNER
from geotune.record import goals
from geotune.record.folder import RunFolder, write_atomic
from geotune.record.goals import Objective
from geotune.record.limits import Limit, limits
from geotune.record.samplers import SamplerName
from geotune.record.settings import SearchSettings, longest, settle
from geotune.record.space import Space
from geotune.record.stopping import StoppingSettings
from geotune.record.warm import read_warm, write_warm
from geotune.train.selection import Rule, selected_metric, standing
from geotune.train.settings import TrainConfig

__all__ = ["Plan", "SearchSettings", "settle"]

OTHER_WORK = ("model.", "input.", "train.epoch_photos", "train.batch_size", "train.precision")
"""Settings, or beginnings of them, on which the time of an epoch depends."""
TRIALS = 64
"""Trials of a search of which nobody said how many."""
LIBRARIES = ("ray", "optuna", "torch", "timm", "mlflow", "albumentations")


@dataclass(frozen=True)
class Plan:
    """A search that has been checked as a whole: settings, space, data."""

    settings: SearchSettings
    space: Space
    words: Flat
    """Settings that stand alone in every config: data, seed, device."""
    goals: tuple[Objective, ...]
    """What the search goes by; the first leads."""
    where: tuple[Limit, ...]
    """What a trial must keep to."""
    extent: str
    tree: dict[str, Any]
    """What search.yaml holds."""
    earlier: tuple[FrozenTrial, ...] = ()
    """Trials of earlier searches that inform the sampler, in the terms of this space (geotune.record.earlier)."""
    remarks: tuple[str, ...] = ()
    """What its user should know of a new search, a line each."""

    @classmethod
    def make(cls, asked: Flat, space: Space, tree: dict[str, Any], pins: Flat, data: dict[str, Any]) -> "Plan":
        """Settle what was asked for a search.

        Args:
            asked: the words of the command line, already checked.
            tree: the space file's mapping.
            pins: settings of the command line that hold for every trial.
            data: describes the dataset: path, extent, fingerprint, counts.
        """
        settings = settle(asked, space).model_copy(update={"data": data["path"]})
        extent: Extent = data["extent"]
        found = goals.objectives(settings.goal or space.file.goal, extent)
        words = {"data": data["path"], "seed": settings.seed}
        versions = {name: metadata.version(name) for name in LIBRARIES}
        about = {"geotune": __version__, "python": platform.python_version(), **versions}
        for given in (space.fixed, flatten(space.file.full)):
            selected_metric(str(given.get("train.select", found[0].metric)), extent)
        written: dict[str, Any] = {
            "goal": {found[0].direction: found[0].metric},
            "goals": [{goal.direction: goal.metric} for goal in found],
            "settings": nest({k: v for k, v in flatten(settings).items() if v is not None}),
            "dataset": data,
            "pins": pins,
            "space": {"name": space.name, "file": tree},
            "versions": about,
        }
        plan = cls(settings, space, words, found, limits(settings.where, extent), extent, written)
        written["trials"] = plan.trials  # where nobody said: for whoever reads the file alone
        return replace(plan, remarks=tuple(plan._of_grid()))

    @classmethod
    def read(cls, run: RunFolder) -> "Plan":
        """The plan of an existing run."""
        tree = load_yaml(run.search_yaml)
        try:
            settings = build(SearchSettings, flatten(tree["settings"]), str(run.search_yaml))
            space = Space.parse(tree["space"]["name"], tree["space"]["file"], tree["pins"], str(run.search_yaml))
            extent: Extent = tree["dataset"]["extent"]
            found = goals.objectives(settings.goal or space.file.goal, extent)
        except (KeyError, TypeError) as error:
            raise GeotuneError(f"{run.search_yaml}: {error} is missing", "restore the file from a copy") from None
        words = {"data": settings.data, "seed": settings.seed}
        where, earlier = limits(settings.where, extent), read_warm(run, space.parameters)
        return cls(settings, space, words, found, where, extent, tree, earlier)

    def write(self, run: RunFolder) -> None:
        if self.earlier:
            write_warm(run, self.earlier)
        write_atomic(run.search_yaml, dump_yaml(self.tree))

    @property
    def goal(self) -> str:
        """The first goal's metric, on the data's scale: `valid/median_m`."""
        return self.goals[0].metric

    @property
    def trials(self) -> int:
        """Trials at the most; of a grid never more than it has combinations."""
        asked = self.settings.trials or self.space.file.budget.trials
        return min(asked or self.most, self.most) if self.most else asked or TRIALS

    @property
    def most(self) -> int | None:
        """How many different proposals there are: of a grid its combinations; None without end."""
        return self.space.combinations if self.sampler == "grid" else None

    def _of_grid(self) -> Iterator[str]:
        asked = self.settings.trials
        if self.most and asked and asked < self.most:
            yield f"sampler=grid: {asked} of {self.most} combinations fit into trials={asked}"
        elif self.most and asked and asked > self.most:
            yield f"sampler=grid: all {self.most} combinations take fewer than trials={asked}"

    @property
    def sampler(self) -> SamplerName:
        return self.settings.sampler or self.space.file.sampler

    @property
    def stopping(self) -> StoppingSettings:
        return self.settings.stopping

    @property
    def longest(self) -> int:
        """The most epochs that a trial can have."""
        return longest(self.space)

    @property
    def maximize(self) -> bool:
        """Whether more of the first goal's metric is better."""
        return self.goals[0].maximize

    @property
    def baseline_key(self) -> str:
        """Where an epoch's metrics hold the trivial answer's value of a median goal; other goals have none."""
        return self.goal.replace("/median_", "/baseline_") if "/median_" in self.goal else ""

    @cached_property
    def selection(self) -> Rule:
        """`train.selection`, which is the same for all trials."""
        rule: Rule = self.space.possible("train.selection")[0]
        return rule

    def value(self, epochs: Mapping[int, float]) -> float:
        """What a trial has reached, from its goal metric by epoch; NaN where nothing."""
        return standing(epochs, self.selection, larger_is_better=self.maximize).value

    def config(self, drawn: Flat) -> TrainConfig:
        """The whole config of a trial."""
        return self.space.config(drawn, **self._given)

    def full_config(self, drawn: Flat) -> TrainConfig:
        """The winner's config with the space's `full` settings on top."""
        return self.space.config(drawn | flatten(self.space.file.full), **self._given)

    @property
    def full_from_winner(self) -> bool:
        """Whether the full training begins with the winner's weights."""
        return bool(flatten(self.space.file.full).get("model.start") == WINNER)

    @property
    def full_is_other_work(self) -> bool:
        """Whether an epoch of the full training takes another time than one of the trial whose settings it has."""
        full = flatten(self.space.file.full)
        return any(key.startswith(OTHER_WORK) and key != "model.start" for key in full)

    @property
    def _given(self) -> Flat:
        """What the search adds to every config: its words, and its goal as the metric whose best epoch is kept."""
        keep = {} if "train.select" in self.space.fixed else {"train.select": self.goal}
        return self.words | keep

    @property
    def data(self) -> str:
        return self.settings.data
