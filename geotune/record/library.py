"""Where search spaces are found by name: ./search_spaces first, then those that geotune ships."""

from pathlib import Path

from geotune.config import unknown
from geotune.errors import GeotuneError


def find(name: str) -> Path:
    """The file of a space: a path, else `./search_spaces/<name>.yaml`, else one that geotune ships."""
    if Path(name).suffix in (".yaml", ".yml"):
        if Path(name).is_file():
            return Path(name)
        raise GeotuneError(f"space={name}: no such file")
    found = shipped()
    if name not in found:
        near = unknown(name, found).replace("setting", "space")
        raise GeotuneError(f"space={name}: {near}", f"there are: {', '.join(found)}")
    return found[name]


def shipped() -> dict[str, Path]:
    """Every space by name: those in ./search_spaces first, then those of the checkout or the installed package."""
    package = Path(__file__).resolve().parent.parent
    folders = [Path("search_spaces"), package.parent / "search_spaces", package / "search_spaces"]
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.yaml")):
            found.setdefault(path.stem, path)
    return found


def question(path: Path) -> str:
    """The comment at the top of a space file, up to its first empty line: which question it answers, in what time."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        text = line.removeprefix("#").strip()
        if not line.startswith("#") or not text:
            break
        lines.append(text)
    return " ".join(lines)
