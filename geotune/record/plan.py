"""The plan of a search: everything that was asked, written once to the run folder's search.yaml."""

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import metadata
from typing import Annotated, Any, Literal

from optuna.trial import FrozenTrial
from pydantic import BeforeValidator, Field

from geotune import __version__
from geotune.config import Duration, Flat, Settings, build, dump_yaml, flatten, load_yaml, nest
from geotune.errors import GeotuneError, SettingsError
from geotune.geo.metrics import Extent
from geotune.model.settings import WINNER
from geotune.record import goals, samplers, stopping
from geotune.record.folder import RunFolder, write_atomic
from geotune.record.goals import Goal, Objective
from geotune.record.limits import Limit, limits
from geotune.record.samplers import SamplerName
from geotune.record.space import Space
from geotune.record.space_file import faults_of, spelt_words
from geotune.record.stopping import StoppingSettings
from geotune.record.warm import read_warm, write_warm
from geotune.train.selection import Rule, selected_metric, standing
from geotune.train.settings import TrainConfig

OTHER_WORK = ("model.", "input.", "train.epoch_photos", "train.batch_size", "train.precision")
"""Settings, or beginnings of them, on which the time of an epoch depends."""
TRIALS = 64
"""Trials of a search of which nobody said how many."""
LIBRARIES = ("ray", "optuna", "torch", "timm", "mlflow", "albumentations")


def _parted(value: Any) -> Any:
    """`a,b` -> `[a, b]`."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class SearchSettings(Settings):
    """The words of a search itself; those that a space file may set too take its value unless given."""

    space: str = ""
    """Search space: a name, or the path of a YAML file; `geotune search` lists them."""
    data: str = ""
    """Dataset folder; demo builds the embedded one. Default: the space's, else ./data."""
    runs: str = "runs"
    """Folder for the runs; on a cluster one that every node shares."""
    trials: int | None = Field(None, ge=1)
    """Trials at the most. Default: the space's."""
    time: Duration | None = Field(None, gt=0)
    """Wall-clock time, the final training included, as in 20m or 8h. Default: the space's."""
    gpu_hours: float | None = Field(None, gt=0)
    """Hours of the GPUs that its trainings hold, the final training included: 2 GPUs for 3 hours are 6. Default: the
    space's."""
    seed: int = Field(0, ge=0)
    """Seed of the proposals and of every training run."""
    goal: Goal | None = None
    """Metric that decides. Default: the space's."""
    where: list[str] = []
    """What a trial must keep to, as in where='seconds_per_epoch < 60': one that does not never wins. Default: the
    space's."""
    sampler: SamplerName | None = None
    """Who proposes. tpe: Optuna's tree-structured Parzen estimator; gp: its Gaussian process; qmc: points spread
    evenly; grid: every combination; random: chance. Default: the space's."""
    warm_start: Annotated[list[str], BeforeValidator(_parted), "run, or several with commas"] = []
    """Earlier runs whose trials inform the sampler: they count for nothing else."""
    warm_start_other_data: bool = False
    """Let warm_start take runs that searched on other data."""
    stopping: StoppingSettings = StoppingSettings()
    executor: Literal["ray", "inline"] = "ray"
    """Who runs the trials: Ray Tune, or this process, one at a time."""
    address: str = ""
    """A running Ray cluster: auto, or its address. Default: a Ray of its own on this machine."""
    cpus: float | None = Field(None, gt=0)
    """CPUs a trial. Default: the machine's CPUs shared out among its GPUs; without a GPU 1."""
    gpus: float | None = Field(None, ge=0)
    """GPUs a trial, as in 1 or 0.25. Default: 1 where there are GPUs."""
    packing: Literal["none", "auto"] = "none"
    """auto: trials share a GPU, as many as the first one measured on it leaves room for; instead of gpus=."""
    dashboard: bool = False
    """Start Ray's dashboard with a Ray of one's own, on 127.0.0.1; it needs ray[default]."""
    workers: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Processes that share the batches of the full training, a GPU each. auto: one a GPU, if each gets 32 photos; one
    for a head that compares the photos of a batch (retrieval), as each process would compare its own alone."""
    notify: str = ""
    """Shell command that runs at a new best trial, a failure and the end; $GEOTUNE_EVENT (best, failure, end),
    $GEOTUNE_RUN, $GEOTUNE_TRIAL, $GEOTUNE_VALUE and $GEOTUNE_TEXT say what it was."""
    tracking: str = ""
    """MLflow tracking URI, or none. Default: a store of its own in the runs folder."""


def settle(asked: Flat, space: Space) -> SearchSettings:
    """The words of the command line over those of the space file; SettingsError with all that does not go together."""
    file = space.file
    own: Flat = {"trials": file.budget.trials, "sampler": file.sampler, "data": file.data, "space": space.name}
    own |= {key: flatten(file.budget).get(key) for key in ("time", "gpu_hours")} | {"where": file.where}
    own |= {f"stopping.{key}": value for key, value in flatten(file.stopping).items()}
    asked = spelt_words(flatten(asked))
    if not any(key.startswith("goal.") for key in asked):
        own |= {f"goal.{key}": value for key, value in flatten(file.goal).items()}
    settings = build(SearchSettings, {k: v for k, v in (own | asked).items() if v is not None})
    problems = faults_of(lambda: goals.check(settings.goal or file.goal), lambda: limits(settings.where))
    rule, count = settings.stopping.rule, len((settings.goal or file.goal).all)
    problems += samplers.problems(settings.sampler or file.sampler, space.parameters, rule, count)
    problems += stopping.problems(settings.stopping, space.parameters, space.fixed, count)
    if problems:
        raise SettingsError(problems)
    return settings.model_copy(update={"stopping": settings.stopping.settled(longest(space))})


def longest(space: Space) -> int:
    """The most epochs that a trial of a space can have."""
    return max(int(epochs) for epochs in space.possible("train.epochs"))


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
        written = {
            "goal": {found[0].direction: found[0].metric},
            "goals": [{goal.direction: goal.metric} for goal in found],
            "settings": nest({k: v for k, v in flatten(settings).items() if v is not None}),
            "dataset": data,
            "pins": pins,
            "space": {"name": space.name, "file": tree},
            "versions": about,
        }
        plan = cls(settings, space, words, found, limits(settings.where, extent), extent, written)
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
