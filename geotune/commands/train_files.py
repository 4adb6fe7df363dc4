"""The two places on disk that `geotune train` is told: `config=`, which it reads, and `out=`, which it makes."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from geotune.config import Flat, Loaded, dump_yaml, flatten, load_yaml
from geotune.errors import GeotuneError
from geotune.train.outcomes import Diverged, Infeasible

if TYPE_CHECKING:
    from geotune.train.settings import TrainConfig

CONFIG = "config.yaml"
RESULTS = ("checkpoint", "partial", "model")
"""What a training that came to something leaves."""
TRACES = (CONFIG, f".{CONFIG}.tmp", "about.json", "progress.json", ".progress.json.tmp", "trace.json.gz")
"""What one leaves that came to nothing."""
ELSEWHERE = "name another folder: out=…"


def read_file(path: Path) -> tuple[Path, Flat]:
    """`config=`: the file and its settings; of a run's folder, its best.yaml or config.yaml.

    Raises GeotuneError for what is no config, with the mend.
    """
    if path.is_dir():
        inside = [path / name for name in ("best.yaml", CONFIG) if (path / name).is_file()]
        if not inside:
            raise GeotuneError(f"config={path}: a folder without a config", _configs())
        path = inside[0]
    try:
        tree = load_yaml(path)
    except GeotuneError as error:
        raise GeotuneError(error.problem, error.hint or _configs()) from None
    if {"space", "settings"} <= tree.keys():
        raise GeotuneError(f"config={path}: the record of a search", f"take its winner: config={path.parent}/best.yaml")
    if tree.keys() & {"search", "base", "budget"}:
        raise GeotuneError(f"config={path}: a search space, not a config", f"geotune search space={path}")
    return path, Loaded(flatten(tree), path, tree.lines)


def _configs() -> str:
    found = sorted(Path("runs").glob("*/best.yaml"))
    if found:
        return f"there are: {', '.join(f'config={path}' for path in found[:5])}"
    return "a search leaves its winner in runs/NAME/best.yaml; without config= the default model is trained"


@contextmanager
def out_folder(name: str, config: "TrainConfig") -> Iterator[Path]:
    """`out=`, or a new runs/train-N: a folder that is new, empty, or holds the same training; config.yaml is written.

    A training that fails before its first result leaves nothing behind, so that the corrected command can be given.
    """
    text = dump_yaml(config.model_dump(mode="json"))
    if name:
        _check_free(Path(name).expanduser(), flatten(config.model_dump(mode="json")))
    try:
        out, made = _make(Path(name).expanduser()) if name else _make_next("runs/train")
        fresh = out / f".{CONFIG}.tmp"
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(out / CONFIG)
    except OSError as error:
        raise GeotuneError(f"{error.filename or name}: cannot be written ({error.strerror})", ELSEWHERE) from None
    try:
        yield out
    except (GeotuneError, Diverged, Infeasible):
        if not any((out / result).exists() for result in RESULTS):
            _clear(out, made)
        raise


def _check_free(out: Path, settings: Flat) -> None:
    """Raises GeotuneError for a folder with anything but a training that can go on with these settings."""
    if not out.is_dir() or {path.name for path in out.iterdir()} <= {f".{CONFIG}.tmp"}:
        return
    if (out / "dataset.json").exists():
        raise GeotuneError(f"out={out}: holds a dataset", ELSEWHERE)
    if (out / "search.yaml").exists():
        raise GeotuneError(f"out={out}: holds a search", ELSEWHERE)
    written = out / CONFIG
    if not written.is_file():
        raise GeotuneError(f"out={out}: holds other files", ELSEWHERE)
    from geotune.train.identity import FREE

    before = flatten(load_yaml(written))
    other = [key for key in settings | before if key not in FREE and before.get(key) != settings.get(key)]
    if other:
        told = f"{other[0]}={before.get(other[0], '(none)')}, here {settings.get(other[0], '(none)')}"
        raise GeotuneError(f"out={out}: holds a training with other settings ({told})", ELSEWHERE)


def _make(out: Path, *, new: bool = False) -> tuple[Path, list[Path]]:
    """The folder, and which folders had to be made for it, the innermost first."""
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    out.mkdir(parents=True, exist_ok=not new)
    return out, made


def _make_next(stem: str) -> tuple[Path, list[Path]]:
    """A new folder STEM-N, N the first free number from 1."""
    number = 1
    while True:
        try:
            return _make(Path(f"{stem}-{number}"), new=True)
        except FileExistsError:
            number += 1


def _clear(out: Path, made: list[Path]) -> None:
    for trace in TRACES:
        (out / trace).unlink(missing_ok=True)
    with suppress(OSError):  # something else has been put there
        for folder in made:
            folder.rmdir()
