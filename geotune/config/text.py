"""Settings as text: YAML 1.2 files and the `key=value` words of a command line."""

import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from geotune.config.lines import Loaded, lines_of
from geotune.errors import GeotuneError, SettingsError


def parse_value(text: str) -> Any:
    """A value as YAML 1.2 reads it: `1e-3` is a number, `no` a word, `[1, 2]` a list; what is no YAML is text."""
    from ruamel.yaml.error import YAMLError

    try:
        return _yaml().load(text)
    except (YAMLError, *_YAML_BUGS):
        return text


def parse_overrides(words: Iterable[str], meant: Callable[[str], str] = lambda word: "") -> dict[str, Any]:
    """`["train.epochs=3", "data=x"]` -> `{"train.epochs": 3, "data": "x"}`; no `=`, no value or a double is an error.

    `meant` guesses what a word without `=` was to be, as in `data=x`; empty where nothing is near.
    """
    flat: dict[str, Any] = {}
    problems: list[tuple[str, str]] = []
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            guess = meant(word) if not equals else ""
            problems.append((word, "expected key=value" + (f"; did you mean {guess}?" if guess else "")))
        elif key in flat:
            problems.append((key, "given twice"))
        elif not text.strip():  # YAML's null can still be written out
            problems.append((key, "expected a value; got nothing"))
        else:
            flat[key] = parse_value(text)
    if problems:
        raise SettingsError(problems)
    return flat


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
