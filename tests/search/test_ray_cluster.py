"""A Ray of one's own: it listens on this machine alone, has the CPUs that this process may use, and no dashboard."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from geotune.config import dump_yaml
from geotune.errors import GeotuneError
from geotune.record.plan import SearchSettings

SCRIPT = """
import json, os
from pathlib import Path
from geotune.record.plan import SearchSettings
from geotune.search.executors import on_loopback
on_loopback()
from geotune.search.executors.ray_cluster import cluster

def parents():
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            yield int(stat.parent.name), int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            pass

def sockets(pids):
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                name = os.readlink(link)
            except OSError:
                continue
            if name.startswith("socket:["):
                yield name[8:-1]

def listening(pids):
    own = set(sockets(pids))
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in own:
                yield words[1].partition(":")[0]

with cluster(SearchSettings()) as offer:
    family = {os.getpid()}
    for _ in range(9):
        family |= {pid for pid, parent in parents() if parent in family}
    print(json.dumps({"offer": offer.nodes, "kinds": offer.kinds, "listening": sorted(set(listening(family)))}))
"""
LOOPBACK = ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")
"""127.0.0.1, the same as IPv6 writes it, and ::1, as Linux writes them."""


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="looks at Linux's table of sockets")
def test_a_ray_of_ones_own_listens_on_this_machine_alone_and_takes_no_more_cpus_than_it_may(tmp_path: Path) -> None:
    only = min(os.sched_getaffinity(0))
    script = f"import os\nos.sched_setaffinity(0, [{only}])\n{SCRIPT}"
    long = tmp_path / "of-a-name-that-leaves-no-room-for-rays-sockets-below-it"
    long.mkdir()
    environment = os.environ | {"TMPDIR": str(long)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["offer"][0][0] == 1
    assert found["listening"]
    assert set(found["listening"]) <= set(LOOPBACK)


def test_a_dashboard_that_is_not_installed_is_told_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    from geotune.search.executors import ray_cluster

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "aiohttp_cors" else found(name))
    with pytest.raises(GeotuneError, match="Ray's dashboard is not installed") as told:
        ray_cluster._connect(SearchSettings(dashboard=True))
    assert told.value.hint == "pip install 'ray[default]'"


def test_kinds_of_nodes_are_read_from_the_clusters_file(tmp_path: Path) -> None:
    from geotune.search.executors.ray_nodes import kinds_in

    tree = {
        "provider": {"type": "aws"},
        "max_workers": 4,
        "head_node_type": "head",
        "available_node_types": {
            "head": {"resources": {"CPU": 0}},
            "gpu": {"resources": {"CPU": 8, "GPU": 1}},
            "never": {"resources": {"CPU": 64, "GPU": 8}, "max_workers": 0},
        },
    }
    path = tmp_path / "ray_bootstrap_config.yaml"
    assert kinds_in(path) is None
    path.write_text(dump_yaml(tree))
    assert kinds_in(path) == ((8.0, 1.0),)
    path.write_text(dump_yaml(tree | {"provider": {"type": "local"}}))
    assert kinds_in(path) is None, "its hosts may still be on their way; of what they have it says nothing"
    path.write_text("{")
    assert kinds_in(path) is None


def test_a_folder_is_shared_where_what_was_written_is_seen_and_can_be_written_beside(tmp_path: Path) -> None:
    from geotune.search.executors.ray_storage import mark, unshared

    mark(tmp_path / "run" / "ray")  # and killed
    path = mark(tmp_path / "run" / "ray")
    assert unshared(path) == ""
    assert [found.name for found in path.parent.iterdir()] == [path.name], "nothing stays behind"
    elsewhere = tmp_path / "other" / path.name
    assert unshared(elsewhere) == f"what the search writes to {elsewhere.parent} is not seen there"
    assert unshared(Path("/proc") / "version").startswith("/proc: "), "seen, but nothing can be written there"
