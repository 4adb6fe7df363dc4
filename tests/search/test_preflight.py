"""What is looked for before the first trial: weights, or the models that trainings begin with."""

from pathlib import Path
from typing import Any

import pytest

from geotune.config import build
from geotune.data.dataset import open_dataset
from geotune.errors import SettingsError
from geotune.record.space import Space
from geotune.search.preflight import find_all_weights
from geotune.train.bundle import save_bundle
from geotune.train.run import build_model
from geotune.train.settings import TrainConfig
from tests.tiny_search import TINY


def space(**pins: Any) -> Space:
    return Space.parse("tiny", TINY, {key.replace("__", "."): value for key, value in pins.items()})


@pytest.fixture
def model(tiny_data: Path, tmp_path: Path) -> str:
    config = build(TrainConfig, TINY["base"] | {"data": str(tiny_data)})
    dataset = open_dataset(tiny_data)
    save_bundle(tmp_path / "model", build_model(config, dataset), config, {}, dataset)
    return str(tmp_path / "model")


def test_trials_that_begin_with_a_model_need_no_other_weights(model: str) -> None:
    nowhere = "/nowhere/weights.safetensors"
    with pytest.raises(SettingsError, match="no such file or folder"):
        find_all_weights(space(model__weights=nowhere))
    (found,) = find_all_weights(space(model__weights=nowhere, model__start=model))
    assert found.tag == f"model@{found.about()['sha256'][:8]}"
    assert found.backbone == "test_resnet.r160_in1k"


def test_a_model_that_is_missing_is_told_before_the_trials() -> None:
    for tree, pins in ((TINY, {"model.start": "nowhere"}), (TINY | {"full": {"model.start": "nowhere"}}, {})):
        with pytest.raises(SettingsError, match=r"model\.start=nowhere: no such folder"):
            find_all_weights(Space.parse("tiny", tree, pins))
    assert len(find_all_weights(Space.parse("tiny", TINY | {"full": {"model.start": "winner"}}, {}))) == 1
