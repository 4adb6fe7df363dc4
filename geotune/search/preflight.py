"""Before the first trial: what can be drawn is there, every backbone's weights and every optimiser."""

from geotune.errors import GeotuneError, SettingsError
from geotune.model.weights import Weights, find_weights
from geotune.record.space import Space
from geotune.train.optim import check_optimiser
from geotune.train.settings import OptimSettings


def find_all_weights(space: Space) -> list[Weights]:
    """The weights of every backbone of the space; SettingsError lists all that are missing, with their mends."""
    found: list[Weights] = []
    problems: list[tuple[str, str]] = []
    for name in space.possible("model.backbone"):
        for weights in space.possible("model.weights"):
            try:
                found.append(find_weights(str(name), str(weights)))
            except GeotuneError as error:
                problems.append((str(name), str(error)))
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
