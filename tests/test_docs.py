"""What the documents promise exists: every link, path, command, option and setting that they name."""

import importlib
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from geotune.cli import COMMANDS, cli
from geotune.config import load_yaml, settings_of
from geotune.record.space import Space

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")


def blocks(name: str, language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / name).read_text(), flags=re.DOTALL | re.MULTILINE)
    return [content for tag, content in fenced if tag == language]


def commands() -> list[str]:
    """Every geotune command line in the documents' code, blocks and inline, and in what scripts/demo.sh prints."""
    found = []
    for name in DOCUMENTS:
        text = (ROOT / name).read_text()
        inline = re.findall(r"`((?:\.venv/bin/)?geotune [^`]+)`", text)
        lines = [line for block in blocks(name, "bash") for line in block.splitlines()]
        inline += [part for line in lines for part in re.findall(r"'(geotune [^']+)'", line)]
        found += inline + [line for line in lines if re.match(r"(\.venv/bin/)?geotune ", line)]
    found += re.findall(r"\.venv/bin/(geotune [^\\\n\"]+)", (ROOT / "scripts" / "demo.sh").read_text())
    return sorted({line.removeprefix(".venv/bin/").strip() for line in found})


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name: str) -> None:
    text = (ROOT / name).read_text()
    headings = {
        re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in re.findall(r"^#+ (.+)$", text, re.M)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings, f"{name}: no heading {target}"
        elif not target.startswith("https://"):
            assert (ROOT / target).exists(), f"{name}: no file {target}"


def test_the_file_tree_is_the_tree() -> None:
    """Every line of the README's tree exists, and every folder and file of geotune/ stands in it."""
    (tree,) = [block for block in blocks("README.md", "") if block.startswith("geotune/\n")]
    told, parent = set(), ""
    for line in tree.splitlines():
        name = line.split()[0]
        if not line.startswith(" "):
            parent = name
            assert (ROOT / name).exists(), name
        else:
            assert (ROOT / parent / name).exists(), name
            told.add(name.strip("/"))
    real = {
        p.name for p in (ROOT / "geotune").iterdir() if p.name != "__pycache__" and not p.name.startswith("__init__")
    }
    assert told == real - {"__main__.py", "py.typed"}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_script_and_file_that_is_named_exists(name: str) -> None:
    text = (ROOT / name).read_text()
    for path in re.findall(r"\b((?:scripts|tests|search_spaces|geotune)/[\w/]+\.(?:sh|py|yaml))\b", text):
        assert (ROOT / path).is_file(), f"{name}: {path}"


@pytest.mark.parametrize("line", commands())
def test_every_command_and_setting_exists(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    if words[0].startswith("-"):
        return
    command, used = cli.get_command(click.Context(cli), words[0]), [words.pop(0)]
    assert command is not None, f"no command geotune {used[0]}"
    if isinstance(command, click.Group) and words:
        used.append(words[0])
        command = command.get_command(click.Context(command), words.pop(0))
        assert command is not None, f"no command geotune {' '.join(used)}"
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {
        "--help"
    }
    keys = set()
    for path in getattr(command, "settings", ()):
        module, name = path.split(":")[:2]
        keys |= {setting.key for setting in settings_of(getattr(importlib.import_module(module), name))}
    for word in words:
        if word.startswith("--"):
            assert word in options, f"{line}: no option {word}"
        elif re.match(r"[a-z_.]+=", word):
            assert word.partition("=")[0].removeprefix("full.") in keys, f"{line}: no setting {word}"


def test_the_readme_names_every_command() -> None:
    named = {line.split()[1] for line in commands() if len(line.split()) > 1}
    assert set(COMMANDS) <= named


def test_the_example_space_is_valid(tmp_path: Path) -> None:
    (text,) = blocks("README.md", "yaml")
    (tmp_path / "mine.yaml").write_text(text)
    space = Space.parse("mine", load_yaml(tmp_path / "mine.yaml"), {})
    assert space.first[0]["model.head.cells"] == 64


def test_what_must_stay_easy_is_told() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text()
    for change in ("a search space", "a head", "a metric", "a dataset format", "another executor"):
        assert f"| {change} |" in table


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_no_file_holds_a_path_of_one_machine() -> None:
    """Nothing that is committed names a home folder or the folder where this checkout happens to lie."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in (".py", ".sh", ".md", ".yaml", ".toml", "") and path.is_file():
            assert str(ROOT) + "/" not in path.read_text(errors="replace"), f"{name} names {ROOT}"
