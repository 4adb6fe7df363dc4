"""What a search rests on besides its plan, as search.yaml holds it: the words asked, the space's file, the code.

Trials are compared with each other: one that was trained by other code, or drawn from another space, is no fair rival
to those before it.
"""

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import geotune
from geotune.record.plan import Plan
from geotune.record.space import Space

CODE = ("config", "geo", "data", "model", "train")
"""Folders of geotune's that a trial's result comes from."""
SEALED = ("goal", "pins", "space")
"""Parts of search.yaml that the trials in the record were drawn from."""


def basis(plan: Plan, words: list[str], file: Path) -> dict[str, Any]:
    """Entries of search.yaml: `words` of the command line, `space_file`, `code` and the `seal` of what was asked."""
    return {"words": words, "space_file": str(file.resolve()), "code": code(plan.space), "seal": seal(plan.tree)}


def code(space: Space) -> dict[str, str]:
    """Fingerprints of geotune's folders that train, and of the packages of the user's own heads."""
    package = Path(geotune.__file__).parent
    folders = {f"geotune/{name}": [package / name] for name in CODE}
    if "custom" in space.possible("model.head.name"):
        for path in space.possible("model.head.path"):
            name = str(path).partition(":")[0].partition(".")[0]
            spec = importlib.util.find_spec(name)
            if spec is not None:
                folders[name] = [Path(place) for place in spec.submodule_search_locations or [str(spec.origin)]]
    return {name: _fingerprint(places) for name, places in folders.items()}


def seal(tree: dict[str, Any]) -> str:
    """Of what an edit by hand must not touch."""
    return digest([tree.get(part) for part in SEALED])


def digest(value: Any) -> str:
    """Of plain data, however it is laid out in its file."""
    return hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest()[:16]


def _fingerprint(places: list[Path]) -> str:
    """Of the Python files at or below some paths."""
    found = hashlib.sha256()
    for place in places:
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            found.update(f"{path.relative_to(place)}\0".encode() + path.read_bytes())
    return found.hexdigest()[:16]
