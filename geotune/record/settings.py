"""The words of a search itself: those of the command line, over those of the space file."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from geotune.config import Duration, Flat, Settings, build, flatten
from geotune.errors import SettingsError
from geotune.record import goals, samplers, stopping
from geotune.record.goals import Goal
from geotune.record.limits import limits
from geotune.record.samplers import SamplerName
from geotune.record.space import Space
from geotune.record.space_file import faults_of, spelt_words
from geotune.record.stopping import StoppingSettings


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
    """The words of the command line over those of the space file; raises as `agreed`."""
    settings = agreed(asked, space)
    return settings.model_copy(update={"stopping": settings.stopping.settled(longest(space))})


def agreed(asked: Flat, space: Space) -> SearchSettings:
    """The same, before defaults that depend on the space; SettingsError with all that does not go together.

    It asks little of the space, which may have faults of its own.
    """
    file = space.file
    own: Flat = {"trials": file.budget.trials, "sampler": file.sampler, "data": file.data, "space": space.name}
    own |= {key: flatten(file.budget).get(key) for key in ("time", "gpu_hours")} | {"where": file.where}
    own |= {f"stopping.{key}": value for key, value in flatten(file.stopping).items()}
    asked = spelt_words(flatten(asked))
    if not {"goal.minimize", "goal.maximize"} & asked.keys():
        own |= {f"goal.{key}": value for key, value in flatten(file.goal).items()}
    settings = build(SearchSettings, {k: v for k, v in (own | asked).items() if v is not None})
    problems = faults_of(lambda: goals.check(settings.goal or file.goal), lambda: limits(settings.where))
    rule, count = settings.stopping.rule, len((settings.goal or file.goal).all)
    problems += samplers.problems(settings.sampler or file.sampler, space.parameters, rule, count)
    problems += stopping.problems(settings.stopping, space.parameters, space.fixed, count)
    if problems:
        raise SettingsError(problems)
    return settings


def longest(space: Space) -> int:
    """The most epochs that a trial of a space can have."""
    return max(int(epochs) for epochs in space.possible("train.epochs"))
