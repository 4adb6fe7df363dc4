"""A space's values as the settings store them: `model.frozen_layers: all` is 5 in a range, a condition and a point."""

from collections.abc import Callable
from functools import cache
from typing import Any

from geotune.config import settings_of
from geotune.record.parameter import KINDS
from geotune.train.settings import TrainConfig


def spelt(key: str, value: Any) -> Any:
    """What the setting stores for a value; of a list for each of them. What it cannot take stays as it is."""
    stored = _spellings().get(key)
    try:
        if stored is None:
            return value
        return [stored(one) for one in value] if isinstance(value, list) else stored(value)
    except ValueError:  # is refused where the whole config is tried
        return value


def spelt_range(key: str, spec: Any) -> Any:
    """The mapping of a searched setting, `{choice: [0, all], when: {…}}`, with its values and conditions as stored."""
    if not isinstance(spec, dict):
        return spec
    found = {word: spelt(key, value) if word in KINDS else value for word, value in spec.items()}
    if isinstance(found.get("when"), dict):
        found["when"] = {parent: spelt(parent, values) for parent, values in found["when"].items()}
    return found


@cache
def _spellings() -> dict[str, Callable[[Any], Any]]:
    return {setting.key: setting.spelt for setting in settings_of(TrainConfig) if setting.spelt}
