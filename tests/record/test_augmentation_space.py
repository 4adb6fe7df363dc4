"""Every strength of augmentation can be searched, and the pick of a policy too."""

import optuna
import pytest

from geotune.data.augment import KINDS
from geotune.errors import SettingsError
from geotune.record.space import Space

RANGES = {f"input.{kind}": {"uniform": [0, about.most]} for kind, about in KINDS.items()}


def test_all_strengths_at_once() -> None:
    search = RANGES | {
        "input.augment": {"choice": ["none", "light", "campus", "world", "strong"]},
        "input.strength": {"uniform": [0, 2]},
        "input.mirror": {"choice": [False, True]},
        "input.fraction": {"log": [0.05, 1]},
    }
    space = Space.parse("mine", {"search": search}, {})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [space.draw(study.ask()) for _ in range(20)]
    augmentations = {space.config(one).input.augmentation for one in drawn}
    assert len(augmentations) == 20
    assert all(space.config(one).input.augmentation.crop == one["input.crop"] for one in drawn)


def test_a_range_beyond_what_makes_sense_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"search.input.perspective\s+expected a value at most 0.3; got 5"):
        Space.parse("mine", {"search": {"input.perspective": {"uniform": [0, 5]}}}, {})
