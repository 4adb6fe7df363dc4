"""The `key=value` words of a command line: every fault at once, those of the words and those of what they set."""

import pytest

from geotune.config import Settings, along_with, from_words, parse_overrides, read_words
from geotune.errors import SettingsError


class Words(Settings):
    data: str = ""
    """The dataset"""
    epochs: int = 30
    """Passes"""


def test_overrides():
    flat = parse_overrides(["model.head.dropout=0.2", "data=a=b", "time=8h"])
    assert flat == {"model.head.dropout": 0.2, "data": "a=b", "time": "8h"}


def test_every_bad_override_is_told_at_once():
    with pytest.raises(SettingsError) as error:
        parse_overrides(["epochs", "=3", "lr=1", "lr=2"])
    expected = [("epochs", "expected key=value"), ("=3", "expected key=value"), ("lr", "given twice")]
    assert error.value.problems == expected


def test_a_value_left_empty_and_a_word_that_is_near_a_setting():
    with pytest.raises(SettingsError) as error:
        parse_overrides(["space=", "time= ", "data/town", "so"], lambda word: f"data={word}" if "/" in word else "")
    assert error.value.problems == [
        ("space", "expected a value; got nothing"),
        ("time", "expected a value; got nothing"),
        ("data/town", "expected key=value; did you mean data=data/town?"),
        ("so", "expected key=value"),
    ]
    assert parse_overrides(["trials=null"]) == {"trials": None}


def test_of_a_word_given_twice_the_first_is_read_on():
    assert read_words(["epochs=3", "epochs=abc"]) == ({"epochs": 3}, [("epochs", "given twice")])


def test_a_word_given_twice_hides_no_other_fault():
    with pytest.raises(SettingsError) as error:
        from_words(Words, ["epoch=3", "data=x", "data=y", "epochs=abc"])
    assert error.value.problems == [
        ("data", "given twice"),
        ("epoch", "no such setting; did you mean epochs?"),
        ("epochs", "expected a whole number; got 'abc'"),
    ]
    assert from_words(Words, ["epochs=3"]) == Words(epochs=3)


def test_faults_are_told_together_once_and_with_their_places():
    with pytest.raises(SettingsError) as error, along_with([("a", "given twice"), ("b", "bad")]):
        raise SettingsError([("b", "bad"), ("c", "worse")], "x.yaml", {"c": "x.yaml:3"})
    assert error.value.problems == [("a", "given twice"), ("b", "bad"), ("c", "worse")]
    assert (error.value.source, error.value.where) == ("", {"c": "x.yaml:3"})


def test_faults_of_the_words_alone_are_told_after_the_block():
    reached = []
    with pytest.raises(SettingsError, match="given twice"), along_with([("a", "given twice")]):
        reached.append(1)
    assert reached == [1]
