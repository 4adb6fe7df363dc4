"""The front door: quick, quiet, and a clear word for every mistake."""

import importlib
import json
import os
import subprocess
import sys

import click
import pytest

from geotune import __version__
from geotune.cli import COMMANDS, QUIET, main
from geotune.commands.lazy import Lazy
from geotune.errors import GeotuneError, SettingsError

HEAVY = ("torch", "torchvision", "timm", "ray", "mlflow", "optuna", "albumentations", "cv2", "sklearn", "pandas")


def run(*args):
    """What the process prints and returns; a fresh one, as a user's shell starts it."""
    command = [sys.executable, "-c", "from geotune.cli import main; main()", *args]
    env = {key: value for key, value in os.environ.items() if key not in QUIET}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


def code_of(*args):
    with pytest.raises(SystemExit) as stop:
        main(args)
    return stop.value.code


@pytest.fixture
def command(monkeypatch):
    """Let `geotune ui` raise what is given."""

    def raising(error):
        def body():
            raise error

        monkeypatch.setattr(Lazy, "get_command", lambda *_: click.Command("ui", callback=body))
        monkeypatch.setattr(sys, "argv", ["geotune", "ui"])
        return code_of("ui")

    return raising


def test_help_lists_every_command_with_its_line():
    shown = run("--help")
    assert shown.returncode == 0
    words = " ".join(shown.stdout.split())
    for name, line in COMMANDS.items():
        assert f"{name} {line}" in words
    assert "geotune search space=demo" in shown.stdout
    assert run("-h").stdout == shown.stdout


def test_help_loads_nothing_heavy():
    script = (
        "import json, sys\nfrom geotune.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as stop:\n    code = stop.code\n"
        "print('\\n' + json.dumps([code, sorted({name.partition('.')[0] for name in sys.modules})]))"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    code, modules = json.loads(shown.stdout.splitlines()[-1])
    assert code == 0
    assert "click" in modules
    assert not set(HEAVY) & set(modules)
    assert "numpy" not in modules


def test_version():
    shown = run("--version")
    assert (shown.returncode, shown.stdout.strip()) == (0, f"geotune, version {__version__}")


def test_nothing_to_do_shows_the_help():
    shown = run()
    assert shown.returncode == 2
    assert shown.stderr.startswith("Usage: geotune")


def test_an_unknown_command_exits_with_2_and_the_nearest_name():
    shown = run("serch", "space=demo")
    assert (shown.returncode, shown.stdout) == (2, "")
    assert shown.stderr == "geotune: No such command 'serch'. Did you mean 'search'?\n"
    assert run("zzz").stderr == "geotune: No such command 'zzz'.\n"


def test_an_unknown_option_exits_with_2():
    shown = run("--frobnicate")
    assert shown.returncode == 2
    assert shown.stderr.startswith("geotune: No such option '--frobnicate'")
    assert "Traceback" not in shown.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_exists_under_its_name(name):
    assert isinstance(importlib.import_module(f"geotune.commands.{name}").command, click.Command)


def test_no_command_module_loads_a_heavy_library():
    """A command's own file is light; what it needs is loaded when it runs."""
    lines = "".join(f"import geotune.commands.{name}\n" for name in COMMANDS)
    script = f"import json, sys\n{lines}print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout) == []


def test_a_users_mistake_exits_with_2_and_its_mend(command, capsys):
    assert command(GeotuneError("photos: no dataset", "geotune data import photos data/photos")) == 2
    assert capsys.readouterr().err == "geotune ui: photos: no dataset\n  geotune data import photos data/photos\n"


def test_settings_are_told_in_columns(command, capsys):
    assert command(SettingsError([("trials", "expected a whole number; got 'abc'")])) == 2
    assert capsys.readouterr().err == "geotune ui: 1 problem\n  trials  expected a whole number; got 'abc'\n"


def test_a_bug_of_ours_exits_with_1_and_its_traceback(command, capsys):
    assert command(ValueError("boom")) == 1
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "ValueError: boom" in shown
    assert "this is a bug in geotune" in shown


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt_exits_with_130_and_no_traceback(command, capsys, error):
    assert command(error) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_nothing_calls_home_and_a_users_own_choice_stands(monkeypatch):
    for name in QUIET:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "0")
    assert code_of("--version") == 0
    assert {name: os.environ[name] for name in QUIET} == QUIET | {"HF_HUB_DISABLE_TELEMETRY": "0"}


def test_a_command_of_a_group_is_pointed_to(capsys):
    with pytest.raises(SystemExit) as left:
        main(["import", "photos", "data/town"])
    assert left.value.code == 2
    assert "Did you mean 'geotune data import'?" in capsys.readouterr().err
