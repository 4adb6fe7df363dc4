"""A search goes on only with the data, the space and the code that it began with, unless told."""

import re
from pathlib import Path
from typing import Any

import pytest

from geotune.config import dump_yaml, load_yaml
from geotune.errors import GeotuneError
from geotune.record.folder import RunFolder
from geotune.record.plan import Plan
from geotune.search.basis import CODE, code
from geotune.search.changed import anew, unchanged

Search = Any


@pytest.fixture
def search(make_search: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[RunFolder, Path]:
    monkeypatch.chdir(tmp_path)
    run, _ = make_search("optim.lr=0.01", "full.train.epochs=5", "trials=3")
    return run, tmp_path / "tiny.yaml"


def refused(run: RunFolder, **words: Any) -> str:
    with pytest.raises(GeotuneError) as caught:
        unchanged(Plan.read(run), run, **words)
    return str(caught.value)


def edit(run: RunFolder, **entries: Any) -> None:
    tree = load_yaml(run.search_yaml)
    run.search_yaml.write_text(dump_yaml(tree | entries))


def test_nothing_changed(search: tuple[RunFolder, Path]) -> None:
    run, _ = search
    before = run.search_yaml.read_bytes()
    assert unchanged(Plan.read(run), run) == []
    assert run.search_yaml.read_bytes() == before


def test_other_data(search: tuple[RunFolder, Path], tiny_data: Path) -> None:
    run, _ = search
    tree = load_yaml(run.search_yaml)
    train = tree["dataset"]["photos"]["train"]
    photos = tree["dataset"]["photos"] | {"train": train + 7}
    edit(run, dataset=tree["dataset"] | {"fingerprint": "0123456789abcdef", "photos": photos})
    text = refused(run)
    assert "runs/tiny-1: changed since the search began" in text
    assert re.search(rf"\n  data   .*earth \(0123456789ab -> [0-9a-f]{{12}}; {train + 7} -> {train} train\)\n", text), (
        text
    )
    again = "geotune search space=tiny.yaml data=.* runs=.* optim.lr=0.01 full.train.epochs=5 trials=3 "
    assert re.search(again + "warm_start=runs/tiny-1 warm_start_other_data=true\n", text), text
    assert "geotune resume runs/tiny-1 --changed" in text
    assert "geotune finish runs/tiny-1 --changed" in refused(run, command="finish")


def test_told_to_go_on_it_says_so_once_and_writes_it_down(search: tuple[RunFolder, Path]) -> None:
    run, file = search
    tree = load_yaml(run.search_yaml)
    edit(run, dataset=tree["dataset"] | {"fingerprint": "0123"}, code={f"geotune/{name}": "0" for name in CODE})
    file.write_text(file.read_text().replace("0.01]", "0.1]").replace("- 0.01", "- 0.1"))
    checkpoint = run.trial(0).checkpoint(1, 2)
    checkpoint.mkdir(parents=True)
    told = unchanged(Plan.read(run), run, told=True)
    assert [line.split(":")[1].split()[0] for line in told] == ["data", "space", "code"]
    assert not checkpoint.exists(), "it belongs to the photos of before"
    assert unchanged(Plan.read(run), run) == []
    tree = load_yaml(run.search_yaml)
    assert [what.partition(":")[0] for what in tree["changes"][0]["what"]] == ["data", "space", "code"]
    assert tree["space"]["file"]["search"]["optim.lr"]["log"][1] == 0.01, "the run keeps its own copy"
    file.write_text(file.read_text().replace("trials: 4", "trials: 40"))
    assert "space  tiny.yaml (budget.trials" in refused(run)


def test_another_space_is_named_by_its_settings(search: tuple[RunFolder, Path]) -> None:
    run, file = search
    file.write_text("# another comment\n" + file.read_text())
    assert unchanged(Plan.read(run), run) == []
    file.write_text(file.read_text().replace("train.batch_size: 32", "train.batch_size: 16"))
    text = refused(run)
    assert "\n  space  tiny.yaml (base.train.batch_size)\n" in text
    assert "warm_start_other_data" not in text
    file.unlink()
    assert unchanged(Plan.read(run), run) == [], "the run has its own copy"


def test_code_of_another_version(search: tuple[RunFolder, Path]) -> None:
    run, _ = search
    tree = load_yaml(run.search_yaml)
    now = code(Plan.read(run).space)
    edit(run, code=now | {"geotune/train": "0"}, versions=tree["versions"] | {"geotune": "0.0.1", "torch": "1.0"})
    text = refused(run)
    assert re.search(r"\n  code   geotune/train \(geotune 0\.0\.1 -> .*\)\n", text), text
    edit(run, code=now)
    (line,) = unchanged(Plan.read(run), run)
    assert line.startswith("torch is another version than when the search began: 1.0 -> ")


def test_a_head_of_the_users_own_is_code_too(make_search: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "their_heads"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    run, plan = make_search("model.head.name=custom", "model.head.path=their_heads:Head")
    assert "their_heads" in plan.tree["code"]
    (package / "__init__.py").write_text("A = 1")
    assert "\n  code   their_heads\n" in refused(run)


def test_an_edited_search_yaml_is_refused_whatever_is_told(search: tuple[RunFolder, Path]) -> None:
    run, _ = search
    edit(run, pins={"optim.lr": 0.1})
    for told in (False, True):
        text = refused(run, told=told)
        assert "runs/tiny-1/search.yaml: goal, pins or space edited since the search began" in text
        assert "warm_start=runs/tiny-1" in text
    edit(run, pins={"optim.lr": 0.01}, versions=load_yaml(run.search_yaml)["versions"])
    assert unchanged(Plan.read(run), run) == []


def test_of_a_tested_search_nothing_is_compared(search: tuple[RunFolder, Path]) -> None:
    run, _ = search
    edit(run, code={"geotune/train": "0"})
    run.final_json.write_text("{}")
    assert unchanged(Plan.read(run), run) == []


def test_a_run_of_before_these_entries_goes_on(search: tuple[RunFolder, Path]) -> None:
    run, _ = search
    tree = {k: v for k, v in load_yaml(run.search_yaml).items() if k not in ("words", "space_file", "code", "seal")}
    run.search_yaml.write_text(dump_yaml(tree))
    assert unchanged(Plan.read(run), run) == []


def test_the_command_to_begin_anew_holds_no_password(make_search: Any) -> None:
    run, plan = make_search("trials=2")
    plan.tree["words"] = ["space=demo", "tracking=http://me:secret@host:5000", "trials=2"]
    assert "tracking=http://host:5000 trials=2 warm_start=" in anew(plan, run)
