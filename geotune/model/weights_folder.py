"""`model.weights=FOLDER`: files that somebody put there for machines without internet, found by timm's names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from geotune.errors import GeotuneError

ENDINGS = (".safetensors", ".pth", ".pt", ".bin")
HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def in_folder(folder: Path, backbone: str, config: Any) -> Path:
    """The file with the weights of a backbone, whose resolved `config` is timm's.

    Taken are NAME.safetensors (.pth, .pt, .bin) and NAME/model.safetensors (pytorch_model.bin), where NAME is the tag's
    full name (`resnet101.a1h_in1k`), with or without `timm/` in front; the name under which timm publishes the file;
    and the hub's own cache. Raises GeotuneError that says what was sought.
    """
    name = f"{config.architecture}.{config.tag}" if config.tag else config.architecture
    for path in _candidates(folder, name, config):
        if path.is_file():
            return path
    near = sorted(path.name for path in folder.glob(f"{config.architecture}.*"))[:5]
    tagged = near[0].removesuffix(Path(near[0]).suffix) if near and Path(near[0]).suffix in ENDINGS else ""
    mend = f"hf download {config.hf_hub_id or name} model.safetensors --local-dir {folder / name}"
    raise GeotuneError(
        f"model.weights={folder}: no weights of {name} there"
        f" (sought {name}{ENDINGS[0]}, {', '.join(ENDINGS[1:])}, {name}/{HUB_FILES[0]} and timm's other names)",
        f"there is {', '.join(near)}" + (f": set model.backbone={tagged}" if tagged else "")
        if near
        else f"on a machine with internet: {mend}",
    )


def _candidates(folder: Path, name: str, config: Any) -> Iterator[Path]:
    for stem in (folder / name, folder / "timm" / name):
        yield from (stem.with_name(stem.name + ending) for ending in ENDINGS)
        yield from (stem / file for file in HUB_FILES)
    if config.url:
        yield folder / config.url.rpartition("/")[2]
    if config.hf_hub_id:
        from huggingface_hub import try_to_load_from_cache

        files = (config.hf_hub_filename,) if config.hf_hub_filename else HUB_FILES
        found = (try_to_load_from_cache(config.hf_hub_id, file, cache_dir=folder) for file in files)
        yield from (Path(path) for path in found if isinstance(path, str))
