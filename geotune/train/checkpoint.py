"""A nested state on disk: tensors as safetensors, the rest as JSON, the folder complete or absent."""

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from geotune.errors import GeotuneError

TENSORS = "tensors.safetensors"
TREE = "state.json"
FORMAT = 1


def save(folder: Path, state: dict[Any, Any]) -> None:
    """Write a nested state of dicts, lists, tuples, tensors, numbers, texts and None.

    Everything is written to a neighbouring temporary folder, flushed to the disk and renamed, so that a kill at any
    instant leaves either no `folder` or a whole one. A folder of that name is replaced.
    """
    tensors: dict[str, torch.Tensor] = {}
    tree = _encode(state, "", tensors)
    with new_folder(folder) as fresh:
        save_file(tensors, fresh / TENSORS)
        size = (fresh / TENSORS).stat().st_size
        text = json.dumps({"format": FORMAT, "tensor_bytes": size, "state": tree})
        (fresh / TREE).write_text(text, encoding="utf-8")


def load(folder: Path) -> dict[Any, Any]:
    """The state that `save` wrote, tensors on the CPU, bit for bit.

    Raises GeotuneError for a folder that is missing, cut short, or no checkpoint of this version.
    """
    if not folder.is_dir():
        raise GeotuneError(f"{folder}: no such checkpoint", "Start without it: nothing else is lost.")
    try:
        document = json.loads((folder / TREE).read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']}, this geotune reads {FORMAT}")
        found = (folder / TENSORS).stat().st_size
        if found != document["tensor_bytes"]:
            raise ValueError(f"{TENSORS} has {found:,} bytes, {document['tensor_bytes']:,} were written")
        tensors = load_file(folder / TENSORS)
        state = _decode(document["state"], tensors)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        reason = f"{type(error).__name__}: {error}" if isinstance(error, (KeyError, TypeError)) else str(error)
        raise GeotuneError(
            f"{folder}: the checkpoint is damaged ({reason})",
            f"Delete it and start from an earlier one: rm -r {folder}",
        ) from None
    if not isinstance(state, dict):
        raise GeotuneError(f"{folder}: the checkpoint is damaged (no mapping inside)")
    return state


class new_folder:  # noqa: N801 - used like a function
    """Context manager: a temporary folder beside `folder` that takes its name when the block ends without an error."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def __enter__(self) -> Path:
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self.fresh = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}.", suffix=".tmp", dir=self.folder.parent))
        except OSError as error:
            raise GeotuneError(
                f"{self.folder}: cannot be written ({error.strerror})", "Choose a folder that you may write to."
            ) from None
        return self.fresh

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            shutil.rmtree(self.fresh, ignore_errors=True)
            return
        umask = os.umask(0)
        os.umask(umask)
        self.fresh.chmod(0o777 & ~umask)  # mkdtemp's folders are for the owner alone
        for path in self.fresh.iterdir():
            _flush(path)
        old = self.fresh.with_suffix(".old")
        if self.folder.exists():
            self.folder.rename(old)
        self.fresh.rename(self.folder)
        _flush(self.folder.parent)
        shutil.rmtree(old, ignore_errors=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _encode(value: Any, path: str, tensors: dict[str, torch.Tensor]) -> Any:
    """JSON for a nested value; tensors are moved to `tensors` under their path.

    JSON knows neither tuples nor keys that are no text (Optimizer.state_dict has numbers): they are marked.
    """
    if isinstance(value, torch.Tensor):
        key = path or "."
        nhwc = value.dim() == 4 and not value.is_contiguous() and value.is_contiguous(memory_format=torch.channels_last)
        # A copy, for safetensors refuses tensors that share memory; the layout is part of bit-exact arithmetic.
        tensors[key] = value.detach().to("cpu", copy=True).contiguous()
        return {"$tensor": key, "channels_last": nhwc}
    if isinstance(value, dict):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: _encode(inner, f"{path}/{key}", tensors) for key, inner in value.items()}
        return {"$items": [[key, _encode(inner, f"{path}/{key}", tensors)] for key, inner in value.items()]}
    if isinstance(value, (list, tuple)):
        items = [_encode(inner, f"{path}/{index}", tensors) for index, inner in enumerate(value)]
        return {"$tuple": items} if isinstance(value, tuple) else items
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{path}: a checkpoint cannot hold a {type(value).__name__}")


def _decode(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, list):
        return [_decode(inner, tensors) for inner in value]
    if not isinstance(value, dict):
        return value
    if "$tensor" in value:
        tensor = tensors[value["$tensor"]]
        return tensor.contiguous(memory_format=torch.channels_last) if value["channels_last"] else tensor
    if "$tuple" in value:
        return tuple(_decode(inner, tensors) for inner in value["$tuple"])
    if "$items" in value:
        return {key: _decode(inner, tensors) for key, inner in value["$items"]}
    return {key: _decode(inner, tensors) for key, inner in value.items()}
