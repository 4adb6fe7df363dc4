"""Before the first trial: what can be drawn is there, every backbone's weights and every optimiser."""

from itertools import product

from geotune.config import flatten
from geotune.errors import GeotuneError, SettingsError
from geotune.model.settings import WINNER
from geotune.model.weights import Weights, find_weights
from geotune.record.space import Space
from geotune.train.optim import check_optimiser
from geotune.train.settings import OptimSettings
from geotune.train.start import model_in, weights_of


def find_all_weights(space: Space, *, fetch: bool = True) -> list[Weights]:
    """The weights of every backbone of the space, or of the models that its trials begin with (model.start).

    Without `fetch` those that this machine lacks are only asked for. SettingsError lists all that are missing, with
    their mends.
    """
    found: list[Weights] = []
    problems: list[tuple[str, str]] = []
    starts = [str(start) for start in space.possible("model.start")]
    sought = product(space.possible("model.backbone"), space.possible("model.weights")) if "" in starts else ()
    for name, weights in sought:
        try:
            found.append(find_weights(str(name), str(weights), fetch=fetch))
        except GeotuneError as error:
            problems.append((str(name), str(error)))
    later = str(flatten(space.file.full).get("model.start", ""))  # a folder that is missing is told before the trials
    for start in dict.fromkeys([*starts, later]):
        if start in ("", WINNER):
            continue
        try:
            found.append(weights_of(model_in(start)))
        except GeotuneError as error:
            problems.append(("model.start", str(error)))
    if problems:
        raise SettingsError(problems, "the backbones of this space")
    return found


def check_optimisers(space: Space) -> None:
    """SettingsError with all optimisers of the space that cannot train here."""
    problems: list[tuple[str, str]] = []
    for name in space.possible("optim.name"):
        try:
            check_optimiser(OptimSettings(name=str(name)))
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(problems, "the optimisers of this space")
