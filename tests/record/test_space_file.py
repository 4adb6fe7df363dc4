"""A space file's keys: read in every spelling, and one that is faulty spoils no other."""

import pytest

from geotune.errors import SettingsError
from geotune.record.space import Space
from geotune.record.space_file import faults_of, read_file
from tests.record.toy import PLAIN


def test_short_spellings() -> None:
    file, problems = read_file({"goal": "valid/within_25km", "stopping": "none", "where": {"seconds_per_epoch": "< 9"}})
    assert problems == []
    assert file.goal.maximize == "valid/within_25km"
    assert file.stopping.rule == "none"
    assert file.where == ["seconds_per_epoch < 9"]


def test_a_faulty_key_spoils_no_other() -> None:
    tree = {"budget": {"trials": "many", "time": "3h"}, "sampler": "qmc", "goal": {"maximize": "valid/geoscore"}}
    file, problems = read_file({**tree, "search": [1], "base": {"train.epochs": 3}})
    assert [key for key, _ in problems] == ["budget.trials", "search"]
    assert (file.sampler, file.goal.maximize, file.base) == ("qmc", "valid/geoscore", {"train.epochs": 3})


def test_a_fault_under_base_has_its_prefix() -> None:
    with pytest.raises(SettingsError, match=r"base\.train\.epochs +expected a whole number"):
        Space.parse("t", {"base": {"train.epochs": "many"}, "search": PLAIN}, {})
    with pytest.raises(SettingsError, match=r"  train\.epochs +expected a whole number"):
        Space.parse("t", {"base": {"train.epochs": 3}, "search": PLAIN}, {"train.epochs": "many"})


def test_faults_of_several_checks_are_gathered() -> None:
    def fault(key: str) -> None:
        raise SettingsError([(key, "is wrong")])

    assert faults_of(lambda: fault("a"), lambda: None, lambda: fault("b")) == [("a", "is wrong"), ("b", "is wrong")]
