"""Backbones, photo sizes and weights that do not go together, as a user types them: told with the mend, exit code 2."""

import json
from pathlib import Path

import pytest
from safetensors.torch import save_file

from tests.train.conftest import write

TINY = {
    "model.backbone": "test_resnet", "model.weights": "none", "input.sizes": "32", "input.augment": "none",
    "train.epochs": "1", "train.batch_size": "16", "device": "cpu",
}  # fmt: skip


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    write(tmp_path_factory.mktemp("bad") / "town")
    return tmp_path_factory.getbasetemp() / "bad0" / "town"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder with a ViT's weights, also under the name of a ResNet's."""
    import timm

    folder = tmp_path_factory.mktemp("weights")
    state = timm.create_model("test_vit").state_dict()
    save_file(state, folder / "vit.safetensors")
    save_file(state, folder / "test_resnet.r160_in1k.safetensors")
    return folder


def words(town: Path, **changes: str) -> list[str]:
    settings = TINY | {"data": str(town)} | {key.replace("__", "."): value for key, value in changes.items()}
    return [f"{key}={value}" for key, value in settings.items()]


@pytest.mark.parametrize(
    ("changes", "problem", "mend"),
    [
        ({"model__backbone": "resnet81"}, "model.backbone=resnet81: timm has no such model", "did you mean resnet"),
        ({"model__backbone": "resnet18.zz"}, "timm has no weights 'zz' of resnet18", "resnet18.a1_in1k"),
        (
            {"model__backbone": "mixer_s32_224", "input__sizes": "[224, 96]"},
            "mixer_s32_224 cannot take photos of that size",
            "input.sizes=224",
        ),
        ({"model__frozen_layers": "7"}, "expected a value at most 5; got 7", ""),
        ({"model__frozen_layers": "-6"}, "expected 0 to 5, all, or -1 to -5", ""),
        ({"model__weights": "gone"}, "model.weights=gone: no such file or folder", "expected auto, none, a file"),
        ({"model__weights": "vit.safetensors"}, "not the weights of test_resnet", "give a state_dict of timm's"),
        ({"model__weights": "."}, "not the weights of test_resnet", "give a state_dict of timm's"),
        ({"model__weights": ".", "model__backbone": "resnet18"}, "no weights of resnet18.a1_in1k there", "hf download"),
    ],
)
def test_what_does_not_go_together(geotune, town, weights, monkeypatch, changes, problem, mend) -> None:
    monkeypatch.chdir(weights)
    code, _, err = geotune("train", *words(town, **changes))
    assert code == 2
    assert problem in err
    assert mend in err
    assert "Traceback" not in err
    assert not (weights / "runs").exists() or not list((weights / "runs").iterdir())


def test_a_run_says_what_it_trains_and_keeps_it(geotune, town, tmp_path, monkeypatch) -> None:
    import timm

    folder = tmp_path / "weights"
    folder.mkdir()
    save_file(timm.create_model("test_resnet").state_dict(), folder / "test_resnet.r160_in1k.safetensors")
    monkeypatch.chdir(tmp_path)
    given = {"model__weights": "weights", "model__frozen_layers": "-1", "out": "o"}
    code, out, err = geotune("train", *words(town, **given))
    assert (code, err) == (0, "")
    first = out.splitlines()[0]
    assert first.startswith("test_resnet, 4 of 5 parts frozen (up to layer3); ")
    assert first.endswith("weights test_resnet.r160_in1k")
    about = json.loads((tmp_path / "o/about.json").read_text())
    assert about["model"] == first
    assert about["weights"]["tag"] == "test_resnet.r160_in1k"
    assert about["weights"]["licence"] == "apache-2.0"
    assert len(about["weights"]["sha256"]) == 64
    described = (tmp_path / "o/model/model.json").read_text()
    assert json.loads(described)["weights"] == about["weights"]
    assert str(tmp_path) not in described
    card = (tmp_path / "o/model/README.md").read_text()
    assert f"`test_resnet.r160_in1k`, licence apache-2.0 (SHA-256 `{about['weights']['sha256']}`)" in card
    assert "frozen_layers: 4" in (tmp_path / "o/config.yaml").read_text()
