"""A nested state on disk: tensors as safetensors, the rest as JSON, the folder complete or absent."""

import hashlib
import json
import shlex
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from geotune import __version__
from geotune.errors import GeotuneError
from geotune.train.new_folder import flush, new_folder

TENSORS = "tensors.safetensors"
TREE = "state.json"
FORMAT = 2


class Damaged(GeotuneError):  # noqa: N818 - an earlier one may do
    """A checkpoint that is missing or not what was written."""


def save(folder: Path, state: dict[Any, Any]) -> None:
    """Write a nested state of dicts, lists, tuples, tensors, numbers, texts and None.

    Everything is written to a neighbouring temporary folder, flushed to the disk and renamed, so that a kill at any
    instant leaves either no `folder` or a whole one. A folder of that name is replaced. Raises GeotuneError, with the
    bytes that it takes, where the disk is full.
    """
    tensors: dict[str, torch.Tensor] = {}
    tree = _encode(state, "", tensors)
    with new_folder(folder, needed=sum(tensor.nbytes for tensor in tensors.values())) as fresh:
        save_file(tensors, fresh / TENSORS)
        flush(fresh / TENSORS)  # what is summed up below is what the disk holds
        document = {"format": FORMAT, "geotune": __version__, "sha256": _sha256(fresh / TENSORS), "state": tree}
        (fresh / TREE).write_text(json.dumps(document), encoding="utf-8")


def load(folder: Path) -> dict[Any, Any]:
    """The state that `save` wrote, tensors on the CPU, bit for bit.

    Raises Damaged for a folder that is missing or does not hold what was written, GeotuneError for one of another
    version of geotune.
    """
    if not folder.is_dir():
        raise Damaged(f"{folder}: no such checkpoint", "Start without it: nothing else is lost.")
    try:
        document = json.loads((folder / TREE).read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise GeotuneError(
                f"{folder}: the checkpoint was written by another version of geotune "
                f"({document.get('geotune', 'an older one')}, format {document['format']}; "
                f"this is {__version__}, format {FORMAT})",
                "Go on with that version, or start without it.",
            )
        if _sha256(folder / TENSORS) != document["sha256"]:
            raise ValueError(f"{TENSORS} is not what was written: its SHA-256 differs")
        state = _decode(document["state"], load_file(folder / TENSORS))
        if not isinstance(state, dict):
            raise ValueError("no mapping inside")
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        reason = f"{type(error).__name__}: {error}" if isinstance(error, (KeyError, TypeError)) else str(error)
        raise Damaged(
            f"{folder}: the checkpoint is damaged ({reason})",
            f"Delete it, and the training starts from an earlier one or anew: rm -r {shlex.quote(str(folder))}",
        ) from None
    return state


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
