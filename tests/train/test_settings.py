"""Training settings: defaults, one wrong value each, and a round trip through YAML."""

import pytest

from geotune.config import build, dump_yaml, flatten, load_yaml, settings_of
from geotune.errors import SettingsError
from geotune.train.settings import TrainConfig


def test_every_setting_has_one_line():
    missing = [setting.key for setting in settings_of(TrainConfig) if not setting.doc]
    assert not missing


def test_a_config_survives_yaml(tmp_path):
    config = build(TrainConfig, {"model.head.name": "cells", "train.micro_batch": 8, "optim.lr": 1e-4})
    (tmp_path / "c.yaml").write_text(dump_yaml(config.model_dump(mode="json")))
    assert build(TrainConfig, flatten(load_yaml(tmp_path / "c.yaml"))) == config


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"train.epochs": 0}, "train.epochs  expected a value at least 1; got 0"),
        ({"train.batch_size": "many"}, "train.batch_size"),
        ({"train.epocs": 3}, "no such setting; did you mean train.epochs?"),
        ({"optim.lr": 0}, "optim.lr  expected a value above 0.0; got 0"),
        ({"optim.warmup": 1}, "optim.warmup"),
        ({"train.micro_batch": "big"}, "train.micro_batch"),
        ({"model.head.name": "cell"}, "did you mean cells?"),
    ],
)
def test_wrong_values(given, problem):
    with pytest.raises(SettingsError) as caught:
        build(TrainConfig, given)
    assert problem in str(caught.value)
