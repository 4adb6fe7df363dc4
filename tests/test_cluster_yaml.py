"""cluster.yaml against Ray's own reading of it, without AWS. What stands inside node_config only AWS can check."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from geotune.config import build, load_yaml, parse_overrides
from geotune.record.plan import SearchSettings

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "cluster.yaml"


@pytest.fixture(scope="module")
def prepared() -> dict[str, Any]:
    """The file as `ray up` completes and checks it; a setting that Ray does not know fails here."""
    import yaml  # Ray's own reader: YAML 1.1, where `no` and `on` are not words
    from ray.autoscaler._private.util import prepare_config, validate_config

    raw = yaml.safe_load(FILE.read_text())
    assert raw == load_yaml(FILE), "YAML 1.1 and 1.2 must read the same"
    config: dict[str, Any] = prepare_config(raw)
    validate_config(config)
    return config


def test_ray_refuses_a_misspelt_setting(prepared: dict[str, Any]) -> None:
    """The check above can fail at all."""
    from jsonschema import ValidationError
    from ray.autoscaler._private.util import validate_config

    with pytest.raises(ValidationError):
        validate_config(prepared | {"idle_timeout_minuts": 5})


def test_the_head_runs_no_trials(prepared: dict[str, Any]) -> None:
    head = prepared["available_node_types"][prepared["head_node_type"]]
    assert head["resources"] == {"CPU": 0}
    assert any("--num-cpus=0" in command for command in prepared["head_start_ray_commands"])


def test_workers_are_spot_gpus_from_none_up(prepared: dict[str, Any]) -> None:
    types = prepared["available_node_types"]
    (name,) = set(types) - {prepared["head_node_type"]}
    worker = types[name]
    assert (worker["min_workers"], worker["max_workers"]) == (0, prepared["max_workers"])
    assert worker["resources"]["GPU"] == 1
    assert worker["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert worker["node_config"]["ImageId"] == types[prepared["head_node_type"]]["node_config"]["ImageId"]
    assert prepared["provider"]["cache_stopped_nodes"] is False


def test_every_node_gets_the_checkout_and_installs_it(prepared: dict[str, Any]) -> None:
    (mounted,) = prepared["file_mounts"]
    assert prepared["file_mounts"][mounted] == "."
    for commands in (prepared["head_setup_commands"], prepared["worker_setup_commands"]):
        assert any(f"pip install --disable-pip-version-check -q -e '{mounted}[cluster]'" in c for c in commands)


def test_no_part_of_the_package_stays_behind(prepared: dict[str, Any], tmp_path: Path) -> None:
    """An exclusion such as `data` without a slash would also leave out geotune/data/."""
    patterns = [*prepared["rsync_exclude"]]
    for name in prepared["rsync_filter"]:
        patterns += (ROOT / name).read_text().splitlines()
    packages = {path.name for path in (ROOT / "geotune").rglob("*") if path.is_dir() and path.name != "__pycache__"}
    for pattern in patterns:
        if not pattern.startswith("/"):
            assert pattern.strip("/") not in packages, f"{pattern} would leave out a package; write /{pattern}"


def test_storage_is_mounted_before_anything_else_and_holds_what_must_last(prepared: dict[str, Any]) -> None:
    mount = "\n".join(prepared["initialization_commands"])
    assert re.search(r"mount -t nfs4[\s\S]* /mnt/geotune", mount)
    server = "\n".join(prepared["head_start_ray_commands"])
    assert "sqlite:////mnt/geotune/" in server
    assert "--host 127.0.0.1" in server


def test_every_command_is_valid_bash(prepared: dict[str, Any]) -> None:
    groups = ("initialization_commands", "head_setup_commands", "worker_setup_commands")
    starts = ("head_start_ray_commands", "worker_start_ray_commands")
    for command in [c for group in (*groups, *starts) for c in prepared[group]]:
        wrapped = f"true && ({command})"  # as Ray runs it
        check = subprocess.run(["bash", "-n", "-c", wrapped], capture_output=True, text=True, check=False)
        assert check.returncode == 0, f"{command}\n{check.stderr}"


def test_the_search_in_its_comment_has_valid_settings() -> None:
    comment = re.sub(r"\n# +", " ", FILE.read_text())
    found = re.search(r"geotune search ([^']+)'", comment)
    assert found
    settings = build(SearchSettings, parse_overrides(found[1].split()))
    assert settings.address == "auto"
    assert settings.runs.startswith("/mnt/geotune/")
