"""Before the first trial: the weights of every backbone that can be drawn are found or fetched."""

from geotune.errors import GeotuneError, SettingsError
from geotune.model.weights import Weights, find_weights
from geotune.record.space import Space


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
