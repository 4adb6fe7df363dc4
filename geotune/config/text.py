"""Settings as YAML 1.2: a file, a value, and back to text."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geotune.config.lines import Loaded, lines_of
from geotune.errors import GeotuneError


def parse_value(text: str) -> Any:
    """A value as YAML 1.2 reads it: `1e-3` is a number, `no` a word, `[1, 2]` a list; what is no YAML is text."""
    from ruamel.yaml.error import YAMLError

    try:
        return _yaml().load(text)
    except (YAMLError, *_YAML_BUGS):
        return text


def load_yaml(path: Path) -> Loaded:
    """The mapping in a YAML 1.2 file, with the lines of its keys.

    A missing file, a fault of syntax or a key given twice is a GeotuneError.
    """
    from ruamel.yaml.error import YAMLError

    yaml = _yaml()
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise GeotuneError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise GeotuneError(f"{path}: cannot be read ({error})") from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"{mark.line + 1}:" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise GeotuneError(f"{path}:{line} {problem}") from None
    except _YAML_BUGS as error:
        raise GeotuneError(f"{path}: cannot be read as YAML ({error})") from None
    if loaded is None:
        raise GeotuneError(f"{path}: is empty, expected a mapping of settings")
    if not isinstance(loaded, dict):
        raise GeotuneError(f"{path}: expected a mapping of settings, found {type(loaded).__name__}")
    return Loaded(loaded, path, yaml.constructor.lines)


def dump_yaml(value: Mapping[str, Any]) -> str:
    """YAML text of plain values; what `load_yaml` reads back unchanged."""
    stream = io.StringIO()
    _yaml().dump(dict(value), stream)
    return stream.getvalue()


# What ruamel.yaml raises, besides its own errors, on odd tags, keys and numbers.
_YAML_BUGS = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    RecursionError,
    OverflowError,
)


def _yaml() -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import SafeConstructor

    class Constructor(SafeConstructor):  # YAML 1.2 knows no dates: a folder called 2024-05-01 is a word
        lines: dict[str, int] = {}

        def construct_document(self, node: Any) -> Any:
            self.lines = lines_of(node)
            return super().construct_document(node)

    Constructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = Constructor
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 4096
    yaml.representer.add_representer(Loaded, type(yaml.representer).represent_dict)
    return yaml
