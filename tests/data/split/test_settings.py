import pytest

from geotune.errors import SettingsError
from tests.data.split.points import settings


def test_settings_are_checked() -> None:
    with pytest.raises(SettingsError, match="a number with a unit"):
        settings(radius=25)
    with pytest.raises(SettingsError, match=r"valid, test +expected a sum below 1.*; got 0.6 \+ 0.5"):
        settings(valid=0.6, test=0.5)


@pytest.mark.parametrize(
    ("given", "question"),
    [
        ({}, "at new places (a place: what lies within 25 m of its centre)"),
        ({"by": "block", "block": "2km"}, "in 2 km blocks of which it has seen no photo"),
        ({"by": "given"}, "on the photos that the source itself holds out"),
        ({"by": "photo"}, "on new photos of known spots (it may have seen the next photo of the same spot)"),
    ],
)
def test_each_split_says_what_it_asks(given: dict[str, str], question: str) -> None:
    assert settings(**given).question == question


def test_groups_and_gap_are_part_of_the_question() -> None:
    assert settings(by="block", group="session", gap="20m").question == (
        "in 50 m blocks of which it has seen no photo, on another outing, "
        "at least 20 m from every photo that it has seen"
    )
    assert settings(group="owner").question.endswith("), of another owner")
