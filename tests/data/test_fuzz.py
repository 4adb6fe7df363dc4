"""Ten thousand damaged shards and photos: never a crash, a hang or unbounded memory, and each bad record is said."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest


def fuzz(kind: str, seed: int, count: int, folder: Path) -> dict[str, Any]:
    """The outcomes of one process; what it was doing when it died, otherwise."""
    folder.mkdir(parents=True)
    command = [sys.executable, "-W", "ignore", "-m", "tests.data.fuzzing", kind, str(seed), str(count), str(folder)]
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", check=False, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("kind", ["shards", "photos"])
def test_some_damage(tmp_path: Path, kind: str) -> None:
    found = fuzz(kind, 0, 150, tmp_path / kind)
    assert found["outcomes"].get("record" if kind == "shards" else "prepared", 0) > 20


def test_bombs_do_no_harm(tmp_path: Path) -> None:
    found = fuzz("bombs", 0, 1, tmp_path / "bombs")
    assert found["outcomes"]["record"] > 10  # what follows a bomb is read


@pytest.mark.slow
def test_ten_thousand_kinds_of_damage(tmp_path: Path) -> None:
    runs = [("shards", 1, 3000), ("shards", 2, 3000), ("photos", 3, 2000), ("photos", 4, 2000)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda run: fuzz(*run, tmp_path / f"{run[0]}{run[1]}"), runs))
    shards = found[0]["outcomes"]
    for reason in ("record", "damaged", "cut off", "empty record", "no map", "no image", "refused", "photo refused"):
        assert shards[reason], reason
    photos = found[2]["outcomes"]
    assert photos["prepared"] > 100
    assert photos["cannot be decoded"] > 100
