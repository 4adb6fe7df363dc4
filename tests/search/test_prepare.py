"""Every mistake on the command line is found before anything starts, and nothing is written."""

from pathlib import Path

import pytest

from geotune.errors import GeotuneError, SettingsError
from geotune.record.folder import RunFolder
from geotune.record.plan import Plan
from geotune.search.preflight import check_optimisers
from geotune.search.prepare import pinned, prepare


def fails(*words: str, kind: type[GeotuneError] = GeotuneError) -> str:
    with pytest.raises(kind) as caught:
        prepare(list(words))
    return str(caught.value)


def test_all_misspelt_words_at_once() -> None:
    text = fails("spce=demo", "model.bakbone=resnet18", "trials=abc", kind=SettingsError)
    assert "4 problems" in text
    assert "`geotune search` lists them" in text
    assert "did you mean space?" in text
    assert "did you mean model.backbone?" in text
    assert "trials" in text
    assert "'abc'" in text


def test_faults_of_the_words_and_of_the_file_at_once_with_lines(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("# Bad?\nbase:\n  optim.lrr: 1\nsearch:\n  optim.lr: {lg: [1, 2]}\nfull:\n  train.epochs: 3\n")
    words = (f"space={path}", "trials=3", "trials=4", "full.train.epochs=abc")
    text = fails(*words, "tme=3h", kind=SettingsError)
    assert "5 problems\n" in text
    lines = [line.split()[:2] for line in text.splitlines()[1:]]
    assert ["trials", "given"] in lines
    assert ["tme", "no"] in lines
    assert ["bad.yaml:3", "base.optim.lrr"] in lines
    assert ["bad.yaml:5", "search.optim.lr"] in lines
    assert ["full.train.epochs", "expected"] in lines, "it is not the file's"
    assert f"2 problems in {path}" in fails(f"space={path}", kind=SettingsError)


def test_an_unknown_space_beside_other_faults() -> None:
    text = fails("space=dmeo", "tme=3h", kind=SettingsError)
    assert "no such space; did you mean demo?" in text
    assert "did you mean time?" in text


def test_times_need_a_unit() -> None:
    assert "as in 90s, 20m, 8h" in fails("space=demo", "time=15")


def test_an_unknown_space() -> None:
    assert "did you mean demo?" in fails("space=dmeo")


def test_data_that_is_none(space: Path, tmp_path: Path) -> None:
    assert "geotune data import" in fails(f"space={space}")
    assert "no-such" in fails(f"space={space}", "data=no-such")


def test_a_folder_of_photos_is_told_the_import_command(space: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.jpg").write_bytes(b"\xff\xd8")
    assert f"geotune data import {photos}" in fails(f"space={space}", f"data={photos}")


def test_an_unwritable_runs_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GeotuneError, match=r"runs=.*cannot write there"):
        RunFolder.create(tmp_path / "file", "tiny")


def test_pins_and_settings_of_the_search(make_search) -> None:
    run, plan = make_search("optim.lr=0.01", "stopping.grace=7", "goal.minimize=valid/mean", "seed=5")
    assert pinned(plan) == ["optim.lr=0.01 is fixed; the space would search it"]
    assert plan.stopping.grace == 7
    assert plan.goal == "valid/mean_km"
    assert plan.config({"model.head.name": "regression"}).seed == 5
    again = type(plan).read(run)
    assert (again.goal, again.stopping, again.trials) == (plan.goal, plan.stopping, 4)
    assert [p.key for p in again.space.parameters] == ["model.head.name", "model.head.cells"]


def test_a_goal_on_the_wrong_scale(make_search) -> None:
    with pytest.raises(GeotuneError, match="km"):
        make_search("goal.minimize=valid/median_m")


def test_settings_of_the_full_training_on_the_command_line(make_search) -> None:
    run, _ = make_search("full.train.epochs=7", "train.epochs=2")
    plan = Plan.read(run)
    assert plan.config({}).train.epochs == 2
    assert plan.full_config({}).train.epochs == 7
    assert "did you mean full.train.epochs?" in fails("full.train.epoch=7")


def test_the_goal_selects_the_epoch_unless_told(make_search) -> None:
    _, plan = make_search("goal.maximize=valid/within_750km")
    assert plan.config({}).train.select == "valid/within_750km"
    _, plan = make_search("goal.maximize=valid/within_750km", "train.select=valid/median")
    assert plan.config({}).train.select == "valid/median"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["goal.minimize=[valid/median, valid/median]"], "valid/median is named twice"),
        (["goal.maximize=valid/median"], "did you mean goal.minimize=valid/median?"),
        (["goal.minimize=valid/within_750km"], "did you mean goal.maximize=valid/within_750km?"),
        (["goal.minimize=train/loss"], "an error on the validation photos"),
        (["full.train.epochs=abc"], "full.train.epochs"),
    ],
)
def test_goals_and_full_settings_are_checked_before_anything_starts(make_search, words: list[str], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        make_search(*words)
    assert said in str(caught.value)


def test_optimisers_that_cannot_train_here_are_named_before_the_first_trial(make_search) -> None:
    _, plan = make_search("optim.name=adahessian")
    with pytest.raises(SettingsError, match=r"optim\.name.*adahessian needs second derivatives"):
        check_optimisers(plan.space)
    _, plan = make_search("optim.name=sgd")
    check_optimisers(plan.space)


@pytest.mark.parametrize("word", ["train.select=valid/medium", "full.train.select=valid/medium"])
def test_a_metric_to_keep_epochs_by_that_is_none(make_search, word: str) -> None:
    with pytest.raises(GeotuneError, match="valid/medium: no such metric; did you mean valid/median"):
        make_search(word)


def test_goals_limits_and_samplers_of_a_file_are_told_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    search = "search:\n  optim.lr: {log: [1e-4, 1e-2]}\n"
    path.write_text("# Bad?\ngoal: {minimize: [valid/medain]}\nwhere:\n  train/peek_mb: < 3\n" + search)
    lines = [line.split()[:2] for line in fails(f"space={path}", kind=SettingsError).splitlines()[1:]]
    assert lines == [["bad.yaml:2", "goal"], ["bad.yaml:4", "where.train/peek_mb"]]
    path.write_text("# Bad?\nsampler: grid\n" + search)
    text = fails(f"space={path}", kind=SettingsError)
    assert "bad.yaml:2  sampler  grid needs values to count, optim.lr is a range; say {choice: " in text
    assert "bad.yaml" not in fails(f"space={path}", "sampler=gp", kind=SettingsError).splitlines()[1]


def test_several_goals_limits_and_an_earlier_run_on_the_command_line(make_search) -> None:
    words = ["goal=[valid/median, train/seconds]", "where=seconds_per_epoch < 2m", "where.train/peak_mb=< 1e5"]
    run, plan = make_search(*words[:2])
    assert [goal.metric for goal in plan.goals] == ["valid/median_km", "train/seconds"]
    assert [str(limit) for limit in plan.where] == ["seconds_per_epoch < 120"]
    assert [str(limit) for limit in make_search(words[2])[1].where] == ["train/peak_mb < 100000"]
    with pytest.raises(GeotuneError, match=r"warm_start=.*has no trials yet"):
        make_search(f"warm_start={run.path}")
