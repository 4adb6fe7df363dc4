"""`geotune train model.start=…`: going on with an exported model, and what it says where that cannot be."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from geotune.config import load_yaml
from tests.commands.conftest import Run
from tests.train.conftest import write

QUICK = ["input.augment=none", "train.epochs=1", "train.batch_size=16", "device=cpu"]
MODEL = ["model.backbone=test_resnet", "model.weights=none", "model.frozen_layers=5", "input.sizes=32"]
HEAD = ["model.head.name=cells", "model.head.cells=6"]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"data={write(tmp_path_factory.mktemp('start') / 'town')}"


@pytest.fixture(autouse=True)
def _here(geotune: Callable[..., Run], town: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder with a trained model, old/model."""
    monkeypatch.setenv("GEOTUNE_CACHE", str(Path(town.removeprefix("data=")).parent / "cache"))
    monkeypatch.chdir(tmp_path)
    assert geotune("train", town, *MODEL, *HEAD, *QUICK, "out=old")[0] == 0


def test_the_model_s_own_settings_hold_unless_others_are_given(
    geotune: Callable[..., Run], town: str, tmp_path: Path
) -> None:
    words = ["model.start=old/model", "model.frozen_layers=4", "optim.backbone_lr_scale=0.05", "out=new", *QUICK]
    code, out, err = geotune("train", town, *words)
    assert (code, err) == (0, "")
    assert "test_resnet, 4 of 5 parts frozen" in out
    assert ", weights model@" in out
    written = load_yaml(Path("new/config.yaml"))
    assert written["model"]["start"] == str(tmp_path / "old" / "model"), "wherever a worker runs"
    assert (written["model"]["head"]["name"], written["model"]["head"]["cells"]) == ("cells", 6)
    assert (written["model"]["frozen_layers"], written["input"]["sizes"]) == (4, [32])
    code, out, err = geotune("train", "config=new/config.yaml", "out=new")
    assert (code, err) == (0, ""), "its config.yaml is the whole of it"
    assert Path("new/model/model.json").is_file()


def test_what_differs_is_told(geotune: Callable[..., Run], town: str) -> None:
    code, _, err = geotune("train", town, *QUICK, "model.start=old", "model.head.cells=7", "model.backbone=test_vit")
    assert code == 2
    assert "2 problems in model.start=" in err
    assert "7 here, but 6 in the model of model.start: set model.head.cells=6, or begin without it" in err
    code, _, err = geotune("train", town, *QUICK, "model.start=old", "model.head.name=retrieval")
    assert code == 2
    assert "model.head.name  retrieval here, but cells in the model of model.start" in err
    assert not Path("runs").exists(), "a training that did not begin leaves nothing"


@pytest.mark.parametrize(
    ("start", "text"),
    [
        ("winner", "in a search space write full: {model.start: winner}"),
        ("nowhere", "model.start=nowhere: no such folder"),
        ("old/checkpoint", "no model (model.json is missing)"),
    ],
)
def test_no_model(geotune: Callable[..., Run], town: str, start: str, text: str) -> None:
    code, _, err = geotune("train", town, *QUICK, f"model.start={start}")
    assert code == 2
    assert text in err
    assert "geotune" in err


def test_the_code_of_a_custom_head_runs_only_where_its_package_is_allowed(
    geotune: Callable[..., Run], town: str
) -> None:
    described = Path("old/model/model.json")
    about = json.loads(described.read_text())
    head = {"name": "custom", "path": "nowhere.to_be_found:Head"}
    about["model"]["model"]["head"] = about["config"]["model"]["head"] = head
    described.write_text(json.dumps(about))
    code, _, err = geotune("train", town, *QUICK, "model.start=old/model")
    assert code == 2
    assert "--allow nowhere" in err
    code, _, err = geotune("train", town, *QUICK, "model.start=old/model", "--allow", "nowhere")
    assert code == 2
    assert "not allowed to run" not in err
    assert "model.head.path=nowhere.to_be_found:Head: No module named 'nowhere'" in err
    # who names the head has chosen it
    code, _, err = geotune(
        "train", town, *QUICK, "model.start=old/model", "model.head.name=custom", "model.head.path=nowhere.else:Head"
    )
    assert code == 2
    assert "nowhere.else:Head here, but nowhere.to_be_found:Head in the model" in err
