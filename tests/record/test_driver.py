"""Whether a search runs, told from outside and from the files alone."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from geotune.errors import GeotuneError
from geotune.record.driver import is_running, kept_from_running
from geotune.record.folder import RunFolder
from geotune.record.journal import Journal

DRIVER = """
import sys, time
from pathlib import Path
from geotune.record.journal import Journal
journal = Journal(Path(sys.argv[1]))
print("open", flush=True)
time.sleep(60)
"""


def test_a_driver_is_seen_until_it_is_killed(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert not is_running(run)
    assert not any(tmp_path.iterdir()), "looking writes nothing"
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(run.journal)], stdout=subprocess.PIPE, text=True)
    try:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "open\n"
        assert is_running(run)
        driver.send_signal(signal.SIGSTOP)
        assert is_running(run), "a paused one too"
        with pytest.raises(GeotuneError, match="a search runs there"), kept_from_running(run):
            pass
    finally:
        driver.kill()
        driver.wait()
        assert driver.stdout is not None
        driver.stdout.close()
    assert not is_running(run)
    Journal(run.journal).close()


def test_no_driver_begins_within_the_block(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    with kept_from_running(run), pytest.raises(GeotuneError, match="another geotune is running this search"):
        Journal(run.journal)
    Journal(run.journal).close()
