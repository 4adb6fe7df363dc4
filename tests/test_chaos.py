"""Three kills of `scripts/chaos.py`: geotune twice, the MLflow server once; and the script's own judgement.

Workers are killed in tests/search/test_executors.py, a whole node in test_nodes.py beside it.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "chaos.py"
sys.path.insert(0, str(SCRIPT.parent))

from disorder.instants import draw  # noqa: E402
from disorder.verdict import duplicated_in_study, lost, redone, told  # noqa: E402

from geotune.record.folder import RunFolder, append_line  # noqa: E402


@pytest.mark.slow
def test_a_search_survives_three_kills(tmp_path: Path) -> None:
    words = ["--kills", "3", "--kinds", "driver,server", "--trials", "6", "--keep", str(tmp_path / "work")]
    words += ["--json", str(tmp_path / "found.json")]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    command = [sys.executable, str(SCRIPT), *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["kills"] == {"driver": 2, "server": 1}
    assert (found["lost"], found["duplicated"], found["missing"], found["errors"], found["same"]) == (0, 0, 0, 0, 1)
    assert found["epochs_redone_max"] <= 1
    assert sum(found["trials"].values()) == 6


def test_the_instants_are_a_function_of_the_seed() -> None:
    kinds = ["driver", "worker", "node", "server"]
    drawn = draw(kinds, 30, 60, random.Random(3))
    assert drawn == draw(kinds, 30, 60, random.Random(3))
    assert drawn != draw(kinds, 30, 60, random.Random(4))
    assert {kind: sum(i.kind == kind for i in drawn) for kind in kinds} == dict(zip(kinds, (8, 8, 7, 7), strict=True))
    assert (drawn[-1].kind, drawn[-1].begun) == ("driver", 60), "in the full training"


def test_what_is_lost_is_seen(finished: Any) -> None:
    run = RunFolder(finished.path)
    events = [{"op_code": 6, "state": 1, "trial_id": number} for number in (0, 1, 2, 3, 3)]
    run.journal.write_text("".join(json.dumps(event) + "\n" for event in events))
    before = told(run) | {("0001", 2): {"valid/median_km": 1.0}}
    assert lost(run, 5, before) == [
        "trial 4 is missing",
        "trial 2: diverged the loss is not finite",
        "trial 3: crashed boom",
        "trial 4 has no end in the study",
        "0001: epoch 2 is gone",
    ]
    assert duplicated_in_study(run) == ["trial 3 ended twice"]


def test_epochs_that_were_begun_before_count_as_redone(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    begun = [(7, 0), (7, 1), (7, 2), (7, 3), (8, 0), (8, 3), (9, 0), (9, 2), (9, 3)]  # (process, epoch; 0: it starts)
    for when, (pid, epoch) in enumerate(begun):
        append_line(trace, {"folder": "/x/0004", "pid": pid, "epoch": epoch, "time": float(when)})
    assert redone(trace) == {("0004", 0): 0, ("0004", 1): 1, ("0004", 2): 2}
