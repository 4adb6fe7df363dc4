"""Model and input settings: the union of heads, sizes, and messages."""

from pathlib import Path

import pytest

from geotune.config import build, flatten, settings_of
from geotune.errors import SettingsError
from geotune.model.settings import InputSettings, ModelSettings


def test_a_head_is_chosen_by_its_name_and_survives_the_flat_form() -> None:
    model = build(ModelSettings, {"head.name": "cells", "head.cells": 32})
    assert model.head.name == "cells"
    assert build(ModelSettings, flatten(model)) == model


@pytest.mark.parametrize(
    ("flat", "message"),
    [
        ({"head.name": "cels"}, "did you mean cells?"),
        ({"head.name": "cells", "head.alpha": 1}, "belongs to regression, hybrid"),
        ({"head.alpha": -1}, "at least 0"),
        ({"head.dropout": 1}, "below 1"),
        ({"head.name": "cells", "head.cells": 1}, "at least 2"),
        ({"frozen_layers": 6}, "at most 5"),
        ({"frozen_layers": -6}, "0 to 5, all, or -1 to -5: so many of the last parts stay trainable; got -6"),
        ({"frozen_layers": "al"}, "expected whole number | all; got 'al'; did you mean all?"),
        ({"frozen_layers": True}, "expected whole number | all; got True"),
        ({"features": "first"}, "expected.*last.*stages"),
    ],
)
def test_model_faults_are_named(flat: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build(ModelSettings, flat)


@pytest.mark.parametrize(("spelt", "stored"), [(3, 3), ("all", 5), (-1, 4), (-5, 0)])
def test_frozen_layers_are_stored_as_a_number_however_spelt(spelt: object, stored: int) -> None:
    model = build(ModelSettings, {"frozen_layers": spelt})
    assert model.frozen_layers == stored
    assert flatten(model)["frozen_layers"] == stored


def test_weights_are_where_they_lie_also_for_a_worker_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.pth").touch()
    monkeypatch.chdir(tmp_path)
    found = [build(ModelSettings, {"weights": name}).weights for name in ("own.pth", "gone.pth", "none")]
    assert found == [str(tmp_path / "own.pth"), "gone.pth", "none"]


def test_a_bare_size_is_a_list_of_one() -> None:
    assert build(InputSettings, {"sizes": 96}).sizes == [96]
    assert build(InputSettings, {"sizes": [192, 256]}).sizes == [192, 256]


@pytest.mark.parametrize("sizes", [[], [8], [96, 96], [5000], True])
def test_impossible_sizes_are_refused(sizes: object) -> None:
    with pytest.raises(SettingsError, match="sizes"):
        build(InputSettings, {"sizes": sizes})


def test_every_policy_of_the_data_floor_can_be_chosen() -> None:
    from geotune.data.augment import POLICIES

    kind = next(setting.kind for setting in settings_of(InputSettings) if setting.key == "augment")
    assert kind.split(" | ") == list(POLICIES)


def test_every_kind_of_change_has_a_setting_that_stands_in_for_the_policys_strength() -> None:
    from geotune.data.augment import KINDS, Augmentation

    for kind, about in KINDS.items():
        strength = about.most
        made = build(InputSettings, {"augment": "none", kind: strength}).augmentation
        assert made == Augmentation(**{kind: strength})
        with pytest.raises(SettingsError, match="at most"):
            build(InputSettings, {kind: about.most * 1.01})
        with pytest.raises(SettingsError, match="at least 0"):
            build(InputSettings, {kind: -0.1})


def test_augmentation_follows_the_settings() -> None:
    made = build(InputSettings, {"augment": "campus", "strength": 0.5, "blur": 0.3, "mirror": True, "fused": True})
    assert made.augmentation.rotate == 4
    assert made.augmentation.blur == 0.3
    assert made.augmentation.mirror
    assert made.augmentation.fused
    assert build(InputSettings, {"augment": "none"}).augmentation.is_plain


@pytest.mark.parametrize("fraction", [0, 1.5, "many"])
def test_a_fraction_is_above_0_and_at_most_1(fraction: object) -> None:
    with pytest.raises(SettingsError, match="fraction"):
        build(InputSettings, {"fraction": fraction})


def test_every_setting_is_documented() -> None:
    undocumented = [s.key for cls in (ModelSettings, InputSettings) for s in settings_of(cls) if not s.doc]
    assert undocumented == []
