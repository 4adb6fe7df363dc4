"""Policies, strengths and what they are called by."""

import pytest

from geotune.data.augment import KINDS, PLAIN, POLICIES, Augmentation
from geotune.errors import GeotuneError


def test_every_kind_is_a_field_and_every_policy_stays_within_bounds() -> None:
    for doc, strengths in POLICIES.values():
        assert doc
        for kind, strength in strengths.items():
            assert hasattr(PLAIN, kind)
            assert 0 < strength <= KINDS[kind].most


def test_policies_grow_stronger() -> None:
    sums = [sum(value / KINDS[kind].most for kind, value in POLICIES[name][1].items()) for name in POLICIES]
    assert sums == sorted(sums)


def test_a_factor_scales_every_strength_up_to_what_makes_sense() -> None:
    campus = POLICIES["campus"][1]
    assert Augmentation.of("campus", 0.5).rotate == campus["rotate"] / 2
    assert Augmentation.of("strong", 4).crop == KINDS["crop"].most
    assert Augmentation.of("campus", 0).is_plain


def test_an_own_strength_stands_in_for_the_policys() -> None:
    made = Augmentation.of("campus", 0.5, own={"rotate": 20, "blur": 0, "crop": None})
    assert (made.rotate, made.blur, made.crop) == (20, 0, 0.25)


def test_plain_is_what_changes_nothing() -> None:
    assert Augmentation.of("none") == PLAIN
    assert Augmentation.of("none", fused=True).is_plain
    assert not Augmentation.of("none", mirror=True).is_plain
    assert not Augmentation.of("none", own={"crop": 0.1}).is_plain


def test_the_recipe_holds_what_the_result_depends_on() -> None:
    light = Augmentation.of("light")
    assert light.recipe == {"crop": 0.3, "light": 0.2, "colour": 0.2}
    assert Augmentation.of("light", fused=True).recipe == light.recipe | {"fused": True}
    assert Augmentation.of("none", fused=True).recipe == {}
    assert len({Augmentation.of(name) for name in POLICIES}) == len(POLICIES)


def test_an_unknown_policy_names_the_known() -> None:
    with pytest.raises(GeotuneError, match="'flip' is unknown") as caught:
        Augmentation.of("flip")
    assert "none, light, campus, world, strong" in caught.value.hint
