import pytest
from hypothesis import given
from hypothesis import strategies as st

from geotune.data.spreadsheet import quoted, unquoted


@given(st.text("'=+-@\t\ra", max_size=5))
def test_text_comes_back_and_is_no_formula(text: str) -> None:
    assert unquoted(quoted(text)) == text
    assert quoted(text)[:1] not in set("=+-@\t\r")


@pytest.mark.parametrize("name", ["", "a=b", "'quoted.jpg", "IMG_1.jpg"])
def test_what_is_no_formula_stays(name: str) -> None:
    assert quoted(name) == unquoted(name) == name
