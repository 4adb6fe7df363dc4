"""A bench script as its tests run it: in a process of its own, with `--quick`; it must end well and tidy up."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parents[2] / "scripts" / "bench"


def quick(folder: Path, script: str, *words: str) -> tuple[dict[str, Any], str]:
    """What it writes with `--json`, and what it prints. `folder` is its place for temporary files, and empty."""
    found = folder / "found.json"
    command = [sys.executable, str(SCRIPTS / script), "--quick", *words, "--json", str(found)]
    elsewhere = str(folder.parent / "inductor")  # torch leaves an empty folder in TMPDIR unless told where
    environment = os.environ | {"TMPDIR": str(folder), "TORCHINDUCTOR_CACHE_DIR": elsewhere}
    environment["RAY_TMPDIR"] = tempfile.gettempdir()  # a plain Ray cannot have its sockets in a folder of a long name
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in folder.iterdir()] == ["found.json"], "it tidies up"
    return json.loads(found.read_text()), done.stdout
