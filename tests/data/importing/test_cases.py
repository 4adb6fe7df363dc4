from pathlib import Path

import pandas as pd
import pytest

from geotune.data.catalogue import COLUMNS
from geotune.data.clean import Finding
from geotune.data.importing.cases import old_cases
from geotune.report.cleaning import write_report


def test_what_imports_left_out_is_read_as_it_was_written(tmp_path: Path) -> None:
    names = ["'quoted.jpg", "=1+1", "'=1+1", "-2.jpg", "a, b\n.jpg"]
    gone = [Finding(name, "file not found", True, name, name, 52.5, 13.25) for name in names]
    write_report(tmp_path, pd.DataFrame(columns=COLUMNS), [Finding("p", "odd", False, "")], gone, lambda _: None)
    assert old_cases(tmp_path / "cleaning.csv") == gone


@pytest.mark.parametrize("text", [None, "", "id,reason\nx,y\n", "id,left_out,lat,lon\nx,yes,north,1\n"])
def test_a_table_that_is_gone_or_was_changed_says_nothing(tmp_path: Path, text: str | None) -> None:
    table = tmp_path / "cleaning.csv"
    if text is not None:
        table.write_text(text)
    assert old_cases(table) == []
