import csv
from pathlib import Path

import numpy as np
import pandas as pd

from geotune.data.audit.against import against, leaks, write_pairs
from tests.data.audit.test_audit import NOISE
from tests.data.split.points import METRE


def catalogue(hashes: np.ndarray, split: list[str], name: str = "p") -> pd.DataFrame:
    count = len(hashes)
    ids = [f"{name}{i}" for i in range(count)]
    return pd.DataFrame({
        "id": ids, "lat": np.arange(count) * 10 * METRE, "lon": np.zeros(count), "split": split, "phash": hashes,
        "sha": [f"{int(h):032x}" for h in hashes],
    })  # fmt: skip


A = catalogue(NOISE[:4], ["train", "train", "valid", "test"])
B = catalogue(
    np.array([NOISE[100], NOISE[1] ^ np.uint64(1), NOISE[0], NOISE[3]], np.uint64),
    ["train", "test", "test", "train"],
    "q",
)


def test_the_likest_first() -> None:
    found = against(A, B)
    assert found.pairs.tolist() == [[0, 2], [3, 3], [1, 1]]
    assert found.bits.tolist() == [0, 0, 1]
    assert found.same_file.tolist() == [True, True, False]
    np.testing.assert_allclose(found.metres, [20, 0, 0], atol=0.01)


def test_what_training_on_one_has_seen_of_the_other() -> None:
    found = against(A, B)
    assert leaks(found, A, B) == {"valid": 0, "test": 2}
    assert leaks(found, B, A, swapped=True) == {"valid": 0, "test": 1}


def test_a_night_is_found_as_a_file_however_many_copies_there_are() -> None:
    nights = np.zeros(300, np.uint64)
    one = catalogue(nights, ["test"] * 200 + ["train"] * 100).assign(sha="night")
    other = catalogue(nights, ["train"] * 150 + ["valid"] * 150, "q").assign(sha="night")
    found = against(one, other)
    assert found.same_file.all()
    assert len(found) < 4 * 600
    assert leaks(found, one, other) == {"valid": 150, "test": 0}
    assert leaks(found, other, one, swapped=True) == {"valid": 0, "test": 200}
    assert len(against(one.assign(sha=""), other.assign(sha=""))) == 0


def test_nothing_in_common() -> None:
    found = against(A, catalogue(NOISE[50:60], ["train"] * 10))
    assert len(found) == 0
    assert leaks(found, A, A) == {"valid": 0, "test": 0}


def test_pairs_are_written_and_no_name_is_a_formula(tmp_path: Path) -> None:
    evil = A.assign(id=["=cmd()", *A.id[1:]])
    write_pairs(tmp_path / "against.csv", against(evil, B), evil, B)
    rows = list(csv.DictReader((tmp_path / "against.csv").open()))
    assert rows[0] == {
        "id": "'=cmd()", "split": "train", "other": "q2", "other_split": "test", "same_file": "True", "bits": "0",
        "metres": "20.0",
    }  # fmt: skip
    assert len(rows) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["against.csv"]
