"""A head of the user's own: found by its path, and never run because a model from elsewhere says so."""

import subprocess
import sys
from pathlib import Path

import pytest

from geotune.config import build
from geotune.errors import GeotuneError, SettingsError
from geotune.model.geography import Geography
from geotune.model.heads import custom
from geotune.model.heads.custom import CustomSettings, check_allowed, trust
from geotune.model.settings import ModelSettings

ROOT = Path(__file__).parents[3]
OWN = "tests.model.heads.own_head"


@pytest.mark.parametrize(
    ("path", "problem", "mend"),
    [
        ("no_such_package_here:Head", "No module named 'no_such_package_here'", "PYTHONPATH"),
        (f"{OWN}:Pint", f"{OWN} has no Pint", "its heads are Point"),
        (f"{OWN}:NoHead", "NoHead is not derived from geotune.model.heads.custom.CustomHead", "its heads are Point"),
        ("json:JSONDecoder", "JSONDecoder is not derived", "derive one from geotune"),
    ],
)
def test_a_path_without_a_head_is_named(path: str, problem: str, mend: str) -> None:
    geography = Geography.of([1.0, 2.0], [1.0, 2.0])
    with pytest.raises(GeotuneError) as raised:
        CustomSettings(path=path).build(4, geography, {})
    assert problem in raised.value.problem
    assert mend in raised.value.hint


@pytest.mark.parametrize(
    ("flat", "message"),
    [
        ({"head.path": "my_package.MyHead"}, "expected package.module:Class"),
        ({"head.path": "os;system:x"}, "expected package.module:Class"),
        ({"head.options": "layers=2"}, "expected a JSON object"),
        ({"head.options": "[2]"}, "expected a JSON object"),
    ],
)
def test_settings_that_cannot_be_right_are_refused_without_running_anything(flat: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build(ModelSettings, {"head.name": "custom"} | flat)


def test_a_package_is_run_only_where_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custom, "_trained_with", set())
    head = {"name": "custom", "path": f"{OWN}:Point"}
    with pytest.raises(GeotuneError, match="the package tests is not allowed to run") as raised:
        check_allowed(head, ["other"])
    assert "--allow tests" in raised.value.hint
    check_allowed(head, ["tests"])
    check_allowed({"name": "cells"}, [])
    trust(CustomSettings(path=f"{OWN}:Point"))
    check_allowed(head, [])


def test_a_model_with_such_a_head_is_trained_exported_and_loaded_elsewhere(tmp_path: Path) -> None:
    """By `geotune predict`, in another process, with and without leave."""
    from geotune.model.geolocator import Geolocator
    from geotune.model.settings import InputSettings
    from geotune.train.bundle import save_bundle
    from geotune.train.settings import TrainConfig

    head = {"model.head.name": "custom", "model.head.path": f"{OWN}:Point", "model.head.options": '{"factor": 3}'}
    config = build(TrainConfig, head | {"model.backbone": "test_resnet", "model.weights": "none", "input.sizes": 32})
    model = Geolocator.build(config.model, InputSettings(sizes=[32]), [1.0, 1.01], [2.0, 2.01])
    assert model.head.factor == 3
    save_bundle(tmp_path / "model", model, config, {}, {"name": "two"})
    from PIL import Image

    Image.new("RGB", (40, 40)).save(tmp_path / "photo.jpg")
    words = [sys.executable, "-m", "geotune", "predict", str(tmp_path / "model"), str(tmp_path / "photo.jpg")]
    refused = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert refused.returncode == 2
    assert "not allowed to run" in refused.stderr
    assert "--allow tests" in refused.stderr
    allowed = subprocess.run([*words, "--allow", "tests"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert allowed.returncode == 0, allowed.stderr
    assert "photo.jpg" in allowed.stdout
