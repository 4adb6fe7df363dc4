"""YAML as `dump_yaml` writes it, read some ten times as fast as `load_yaml` does: every trial has a config.

PyYAML parses in C, but reads YAML 1.1 (`no` is false, `1e-05` a word): here it gets the scalars of YAML 1.2. It knows
no lines and explains no faults, so it is for files that geotune wrote itself.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

from geotune.config.text import load_yaml

SCALARS = (  # tag, what is one, its first characters; in the order in which they are tried
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.")),
)


def load_written(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file that geotune wrote; what is wrong with any other is told as `load_yaml` tells it."""
    import yaml

    try:
        loaded = yaml.load(path.read_bytes(), Loader=_loader())
    except (OSError, ValueError, yaml.YAMLError):
        return load_yaml(path)
    return loaded if isinstance(loaded, dict) else load_yaml(path)


@cache
def _loader() -> Any:
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # PyYAML may be built without C
        yaml_implicit_resolvers: dict[str, Any] = {}

    for tag, pattern, first in SCALARS:
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})$"), first)
    return Loader
