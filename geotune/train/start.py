"""`model.start`: a training that begins with the weights of another one, in the geography that they were learnt in."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from geotune.config import Flat, build, flatten
from geotune.data.dataset import Split
from geotune.errors import GeotuneError, SettingsError
from geotune.geo.metrics import Extent
from geotune.geo.sphere import distance_km
from geotune.model.geography import Geography
from geotune.model.geolocator import Geolocator
from geotune.model.heads.base import FARTHEST_RADII
from geotune.model.heads.custom import check_allowed, trust
from geotune.model.settings import SHAPING, WINNER
from geotune.model.weights import Weights
from geotune.train.bundle import WEIGHTS, bundle_folder, load_bundle, read_description
from geotune.train.settings import TrainConfig


def begun(config: TrainConfig, train: Split, extent: Extent) -> Geolocator:
    """The model in the folder `config.model.start` under the config's settings, to be trained further on these photos.

    Weights, standardisation, frame and cells are that model's; of a head that keeps photos, it is these that it keeps.
    Raises GeotuneError for a folder that is none of a model, for other settings than the model's (all that differ, with
    both values), and for photos that lie elsewhere. Code of a custom head runs only if it is the config's head too.
    """
    folder = model_in(config.model.start)
    trust(config.model.head)
    _check_settings(config, read_description(folder)["config"], folder)
    model = load_bundle(folder, "cpu").model
    _check_places(model.geography, train, extent, folder)
    fitted = model.fitted
    if model.head.remembers.size:
        fitted = config.model.head.fit(model.geography, train.lat, train.lon, config.seed)
    made = Geolocator(config.model, config.input, model.geography, fitted, seed=config.seed)
    _take(made, model, folder)
    made.starting_weights = weights_of(folder).about()
    return made


def settings_of_model(start: str, given: Flat, allow: Sequence[str] = ()) -> Flat:
    """The `model.*` and `input.*` of a model in a folder, which hold for a training that begins with it unless given.

    Raises GeotuneError where there is no model, or its head, unless one is given, is code of a package that is not
    among `allow`.
    """
    described = read_description(model_in(start))["config"]
    if "model.head.name" not in given:
        check_allowed(described["model"]["head"], allow)
    flat = flatten({group: described[group] for group in ("model", "input")})
    return {key: value for key, value in flat.items() if key not in ("model.weights", "model.start")}


def model_in(start: str) -> Path:
    """The folder that `model.start` means. Raises GeotuneError where it holds no model."""
    if start == WINNER:
        raise GeotuneError(
            f"model.start={WINNER}: there is a winner in the full training of a search alone",
            f"give the folder of a model; in a search space write full: {{model.start: {WINNER}}}",
        )
    folder = bundle_folder(start)
    try:
        read_description(folder)
    except GeotuneError as error:
        raise GeotuneError(f"model.start={error.problem}", error.hint) from None
    return folder


def weights_of(folder: Path) -> Weights:
    """The weights of the model in a folder, for a record: tag, hash and licence."""
    about = read_description(folder)
    licence = about.get("weights", {}).get("licence", "unknown")
    found = Weights(about["config"]["model"]["backbone"], "model", folder.name, folder / WEIGHTS, licence)
    return replace(found, tag=f"{folder.name}@{found.about()['sha256'][:8]}")


def _check_settings(config: TrainConfig, described: dict[str, Any], folder: Path) -> None:
    own, its = flatten(config), flatten(build(TrainConfig, described, str(folder)))
    problems = [
        (key, f"{_shown(own, key)} here, but {_shown(its, key)} in the model of model.start: {_mend(key, its)}")
        for key in SHAPING
        if _compared(own, key) != _compared(its, key)
    ]
    if any(key == "model.head.name" for key, _ in problems):  # what else differs follows from it
        problems = [(key, text) for key, text in problems if not key.startswith("model.head.") or key.endswith(".name")]
    mine, before = own["input.sizes"], its["input.sizes"]
    if len(mine) != len(before):
        problems.append(
            ("input.sizes", f"{mine} here, but {before} in the model of model.start: give as many sizes as it has")
        )
    if problems:
        raise SettingsError(problems, f"model.start={folder}")


def _compared(flat: Flat, key: str) -> Any:
    """A file of cells may have been moved."""
    return Path(flat[key]).name if key.endswith("_file") and key in flat else flat.get(key)


def _shown(flat: Flat, key: str) -> str:
    return str(flat.get(key, "(none)")) or '""'


def _mend(key: str, its: Flat) -> str:
    return f"set {key}={its[key]}, or begin without it" if its.get(key) not in (None, "") else "leave it out"


def _check_places(geography: Geography, train: Split, extent: Extent, folder: Path) -> None:
    if geography.extent != extent:
        where = {"region": "a region", "world": "the world"}
        raise GeotuneError(
            f"model.start={folder}: a model of {where[geography.extent]}, but these photos are of {where[extent]}",
            "train on them without model.start",
        )
    far_km = float(np.median(distance_km(train.lat, train.lon, geography.lat_deg, geography.lon_deg)))
    if extent == "region" and far_km > FARTHEST_RADII * geography.rms_radius_km:
        raise GeotuneError(
            f"model.start={folder}: a model of a region of {geography.rms_radius_km:,.1f} km around "
            f"{geography.lat_deg:.3f}, {geography.lon_deg:.3f}; most of these photos are {far_km:,.0f} km from there",
            "train on them without model.start",
        )


def _take(model: Geolocator, start: Geolocator, folder: Path) -> None:
    """Copy all weights and buffers; raises GeotuneError where their shapes differ."""
    state, own = dict(start.state_dict()), model.state_dict()
    kept = {f"head.{name}" for name, _ in start.head.named_buffers() if not name.startswith("standardise.")}
    if start.head.remembers.size:  # what it keeps of the photos is filled anew after every epoch
        other = {name for name in kept & own.keys() if state[name].shape != own[name].shape}
        state |= {name: own[name] for name in other}
    differing = [name for name in own if name not in state or state[name].shape != own[name].shape]
    differing += [name for name in state if name not in own]
    if differing:
        name = differing[0]
        raise GeotuneError(
            f"model.start={folder}: its weights are of another shape ({name}: {_shape(state.get(name))}, here "
            f"{_shape(own.get(name))})",
            "take its own settings: geotune train model.start=… takes those that are not given",
        )
    model.load_state_dict(state)


def _shape(tensor: Tensor | None) -> str:
    return "none" if tensor is None else "×".join(map(str, tensor.shape)) or "1"
