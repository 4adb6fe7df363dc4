"""What geotune writes as YAML is read back the same by the quick reader and by the careful one."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geotune.config import dump_yaml, load_yaml
from geotune.config.written import load_written
from geotune.errors import GeotuneError

WORDS = ["", "no", "yes", "on", "null", "~", "true", "1e-3", "1_000", "0x1f", "0o17", "017", "12:30", "2024-05-01"]
WORDS += [
    ".5",
    "-.inf",
    ".nan",
    "<<",
    "=",
    "- a",
    "a: b",
    "#x",
    "é…",
    "*a",
    "&a",
    "!x",
    "%",
    "@",
    "'",
    '"',
    "a\nb",
    " a ",
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.sampled_from(WORDS),
    st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=12),
)
KEYS = st.text("abcz_09", min_size=1, max_size=6).filter(str.isidentifier)
NODES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3))
)
TREES = st.dictionaries(KEYS, NODES, min_size=1, max_size=5)


@given(tree=TREES)
def test_read_as_written(tree: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "written.yaml"
    path.write_text(f"# a head\n{dump_yaml(tree)}", encoding="utf-8")
    found = load_written(path)
    assert found == load_yaml(path)
    assert repr(found) == repr(dict(load_yaml(path))), "1 is not true and not 1.0"


@pytest.mark.parametrize("text", ["- a\n", "a: [1\n", "", "\x00"])
def test_what_is_no_mapping_is_told_in_words(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(GeotuneError, match=r"x\.yaml"):
        load_written(tmp_path / "x.yaml")
    with pytest.raises(GeotuneError, match="no such file"):
        load_written(tmp_path / "y.yaml")
