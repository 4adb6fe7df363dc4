"""train, evaluate and predict as a user types them, on a small dataset whose photos show where they were taken."""

import csv
import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from geotune.cli import main
from tests.train.conftest import jpeg, write

QUICK = [
    "model.backbone=test_resnet", "model.weights=none", "model.frozen_layers=5", "input.sizes=32",
    "input.augment=none", "train.epochs=2", "train.batch_size=16", "optim.lr=1e-2", "device=cpu",
]  # fmt: skip

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands")
    write(folder / "town")
    write(folder / "globe", "world")
    return folder


@pytest.fixture
def geotune(datasets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`geotune("train", …)` -> exit code, stdout, stderr; in an empty working folder."""
    monkeypatch.setenv("GEOTUNE_CACHE", str(datasets / "cache"))
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["geotune", *words])
        with pytest.raises(SystemExit) as ended:
            main(words)
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def town(datasets: Path) -> str:
    return f"data={datasets / 'town'}"


@pytest.fixture(scope="module")
def _kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def model(geotune: Run, town: str, _kept: Path) -> Path:
    """A model of the town, trained once."""
    if not (_kept / "model").exists():
        code, _, err = geotune("train", town, f"out={_kept / 'run'}", *QUICK)
        assert code == 0, err
        shutil.copytree(_kept / "run" / "model", _kept / "model")
    return _kept / "model"


# ------------------------------------------------------------------------------------------ train


def test_train_prints_epochs_and_leaves_a_model(geotune, town, tmp_path):
    code, out, err = geotune("train", town, *QUICK)
    assert (code, err) == (0, "")
    described, *lines = out.splitlines()
    assert described == "test_resnet, all frozen; 194 of 0.4 M parameters train (head 194), weights none"
    assert lines[0].startswith("epoch 1/2  loss ")
    assert "  valid median " in lines[0]
    assert lines[0].endswith("  *")
    assert lines[-2].startswith("model in runs/train-1/model: valid median ")
    assert lines[-1] == "use it: geotune predict runs/train-1/model photo.jpg"
    assert (tmp_path / "runs/train-1/model/model.safetensors").is_file()
    about = json.loads((tmp_path / "runs/train-1/model/model.json").read_text())
    assert not [name for name in about["metrics"] if name.startswith("test/")]  # the test split was not touched
    code, out, _ = geotune("train", town, *QUICK)
    assert "model in runs/train-2/model" in out


def test_train_with_test(geotune, town, tmp_path):
    code, out, _ = geotune("train", town, *QUICK, "out=here", "--test")
    assert code == 0
    assert "colours, test split: 16 photos of 8 places" in out
    about = json.loads((tmp_path / "here/model/model.json").read_text())
    metrics = about["metrics"]
    assert metrics["test/median_low_m"] <= metrics["test/median_m"] <= metrics["test/median_high_m"]
    assert "test" in (tmp_path / "here/model/README.md").read_text()


def test_train_takes_a_config_file_and_the_command_line_wins(geotune, town, tmp_path):
    (tmp_path / "best.yaml").write_text(
        "model: {backbone: test_resnet, weights: none, frozen_layers: 5, head: {name: cells, cells: 5}}\n"
        "train.epochs: 9\ninput: {sizes: 32, augment: none}\n"
    )
    code, out, err = geotune("train", "config=best.yaml", town, "train.epochs=1", "device=cpu", "out=o")
    assert (code, err) == (0, "")
    assert "epoch 1/1" in out
    config = json.loads((tmp_path / "o/model/model.json").read_text())["config"]
    head = config["model"]["head"]
    assert (head["name"], head["cells"], head["hidden"], head["decode"]) == ("cells", 5, 0, "local_mean")


def test_another_head_drops_the_files_settings_of_the_old_one(geotune, town, tmp_path):
    (tmp_path / "best.yaml").write_text("model.head.name: cells\nmodel.head.cells: 5\n")
    code, _, err = geotune("train", "config=best.yaml", town, *QUICK, "out=o", "model.head.name=regression")
    assert (code, err) == (0, "")


def test_the_same_command_goes_on(geotune, town, tmp_path):
    code, first, _ = geotune("train", town, *QUICK, "out=o")
    assert code == 0
    shutil.rmtree(tmp_path / "o" / "model")
    code, out, _ = geotune("train", town, *QUICK, "out=o")
    assert code == 0
    assert "going on from o/checkpoint" in out
    assert "epoch 1/2" not in out
    assert first.splitlines()[-2] == out.splitlines()[-2]
    assert (tmp_path / "o" / "model").is_dir()


def test_other_settings_do_not_overwrite(geotune, town, tmp_path):
    assert geotune("train", town, *QUICK, "out=o")[0] == 0
    code, _, err = geotune("train", town, *QUICK, "out=o", "seed=3")
    assert code == 2
    assert "o: holds a training with other settings" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train.epocs=3"], "no such setting; did you mean train.epochs?"),
        (["train.epochs=three"], "expected a whole number; got 'three'"),
        (["epochs"], "expected key=value"),
        (["config=nowhere.yaml"], "nowhere.yaml: no such file"),
        (
            ["config=bad.yaml"],
            "1 problem in bad.yaml\n  bad.yaml:1  model.hed.name  no such setting; did you mean model.head.name?",
        ),
        (["out=file/o"], "cannot be written"),
        (["optim.lr=1e30", "optim.name=sgd", "train.clip=0", *QUICK[:-2], "device=cpu"], "the training diverged"),
    ],
)
def test_train_mistakes(geotune, town, tmp_path, words, message):
    (tmp_path / "file").write_text("")
    (tmp_path / "bad.yaml").write_text("model: {hed: {name: cells}}\n")
    code, _, err = geotune("train", town, *words)
    assert code == 2
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["dataset.json"], "out=o: holds a dataset"),
        (["photo.jpg"], "out=o: holds other files"),
        (["model/model.json"], "out=o: holds other files"),
        (["search.yaml", "config.yaml"], "out=o: holds a search"),
        (["config.yaml"], "out=o: holds a training with other settings"),
    ],
)
def test_train_writes_into_no_folder_of_others(geotune, town, tmp_path, files, message):
    for name in files:
        (tmp_path / "o" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "o" / name).write_text("{}")
    before = sorted(tmp_path.rglob("*"))
    code, _, err = geotune("train", town, *QUICK, "out=o")
    assert code == 2
    assert message in err
    assert "name another folder: out=…" in err
    assert sorted(tmp_path.rglob("*")) == before


def test_train_takes_an_empty_folder(geotune, town, tmp_path):
    (tmp_path / "o").mkdir()
    assert geotune("train", town, *QUICK, "out=o")[0] == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("data=nowhere", "no such folder"),
        ("optim.name=adamm", "timm has no optimiser 'adamm'"),
        ("train.select=test/median", "expected a metric of the validation photos"),
        ("train.select=valid/medan", "did you mean valid/median?"),
        ("model.backbone=resnet81", "timm has no such model"),
        ("model.weights=gone.pth", "no such file"),
        ("optim.lr=1e30", "the training diverged"),
    ],
)
def test_a_training_that_fails_leaves_nothing_and_the_corrected_one_works(geotune, town, tmp_path, wrong, message):
    steps = ["optim.name=sgd", "train.clip=0", "optim.lr=1e-3", "train.batch_size=16", "train.max_skipped=0"]
    words = {word.partition("=")[0]: word for word in [town, *QUICK, *steps]}
    broken = list((words | {wrong.partition("=")[0]: wrong}).values())
    for out in ([], ["out=deep/o"]):
        code, _, err = geotune("train", *broken, *out)
        assert code == 2
        assert message in err
        assert list(tmp_path.iterdir()) == []
    (tmp_path / "o").mkdir()
    assert geotune("train", *broken, "out=o")[0] == 2
    assert list(tmp_path.rglob("*")) == [tmp_path / "o"]  # not ours to remove
    code, _, err = geotune("train", *words.values(), "out=o")
    assert (code, err) == (0, "")


def test_a_training_that_has_a_checkpoint_is_kept_whatever_happens(geotune, town, tmp_path):
    assert geotune("train", town, *QUICK, "out=o")[0] == 0
    for state in (tmp_path / "o/checkpoint").glob("*/state.json"):
        state.write_text("cut")
    code, _, err = geotune("train", town, *QUICK, "out=o")
    assert code == 2
    assert "the checkpoint is damaged" in err
    assert (tmp_path / "o/config.yaml").is_file()
    assert (tmp_path / "o/model/model.json").is_file()


def test_train_takes_the_config_of_a_folder(geotune, town, tmp_path):
    (tmp_path / "runs/demo-1").mkdir(parents=True)
    (tmp_path / "runs/demo-1/best.yaml").write_text("train: {epochs: 1}\n")
    code, out, err = geotune("train", "config=runs/demo-1", town, *(w for w in QUICK if "epochs" not in w))
    assert (code, err) == (0, "")
    assert "epoch 1/1" in out
    code, out, err = geotune("train", "config=runs/train-1")  # whose config.yaml names the data too
    assert (code, err) == (0, "")
    assert "model in runs/train-2/model" in out


@pytest.mark.parametrize(
    ("word", "problem", "mend"),
    [
        ("search_spaces/demo.yaml", "a search space, not a config", "geotune search space=search_spaces/demo.yaml"),
        ("runs/demo-1/search.yaml", "the record of a search", "config=runs/demo-1/best.yaml"),
        ("bad.csv", "expected a mapping of settings", "there are: config=runs/demo-1/best.yaml"),
        ("nope.yaml", "nope.yaml: no such file", "there are: config=runs/demo-1/best.yaml"),
        ("search_spaces", "a folder without a config", "there are: config=runs/demo-1/best.yaml"),
    ],
)
def test_what_is_no_config_is_said_in_two_lines(geotune, town, tmp_path, word, problem, mend):
    shipped = Path(__file__).parents[2] / "search_spaces"
    shutil.copytree(shipped, tmp_path / "search_spaces")
    (tmp_path / "runs/demo-1").mkdir(parents=True)
    (tmp_path / "runs/demo-1/best.yaml").write_text("seed: 1\n")
    (tmp_path / "runs/demo-1/search.yaml").write_text(
        "goal: {minimize: valid/median_km}\nsettings: {space: demo}\nspace: {name: demo}\n"
    )
    (tmp_path / "bad.csv").write_text("image,lat,lon\n")
    code, _, err = geotune("train", f"config={word}", town)
    assert code == 2
    first, second = err.splitlines()
    assert problem in first
    assert mend in second


def test_a_word_without_an_equals_sign_is_guessed(geotune, datasets, tmp_path):
    (tmp_path / "best.yaml").write_text("seed: 1\n")
    code, _, err = geotune("train", str(datasets / "town"), "best.yaml", "epochs")
    assert code == 2
    assert f"did you mean data={datasets / 'town'}?" in err
    assert "did you mean config=best.yaml?" in err


def test_train_without_data(geotune):
    code, _, err = geotune("train")
    assert code == 2
    assert "which dataset? Give its folder, as in data=data/town" in err


def test_train_without_data_takes_the_data_folder(geotune, datasets, tmp_path):
    shutil.copytree(datasets / "town", tmp_path / "data")
    assert geotune("train", *QUICK)[0] == 0


# --------------------------------------------------------------------------------------- evaluate


def test_evaluate_prints_metrics_interval_and_baseline(geotune, town, model, tmp_path):
    code, out, err = geotune("evaluate", str(model), town, "device=cpu", "--csv", "errors.csv")
    assert (code, err.splitlines()[0]) == (0, "photos …")  # how far it is: nothing of it on stdout
    assert "colours, test split: 16 photos of 8 places" in out
    for words in ("how well does it do at new spots?", "median error", "(95 % ", "within 250 m", "RMSE", "baseline"):
        assert words in out
    with (tmp_path / "errors.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 16
    assert all(len(row["predicted_latitude"].partition(".")[2]) == 7 for row in rows)
    assert max(len(row["error_km"]) for row in rows) <= 10  # six digits, a point and leading zeros
    assert [path.name for path in tmp_path.iterdir()] == ["errors.csv"]
    median_m = 1000 * float(np.median([float(row["error_km"]) for row in rows]))
    assert f"median error      {median_m:,.0f} m" in out


def test_evaluate_prints_what_simpler_answers_give(geotune, town, model):
    code, out, _ = geotune("evaluate", str(model), town, "device=cpu")
    assert code == 0
    own, others = out.split("median errors of other answers:\n")
    assert own.count("(95 % ") == 9
    assert [line[2:18].rstrip() for line in others.splitlines()] == [
        "baseline", "mean place", "nearest place", "nearest photo",
    ]  # fmt: skip
    assert "an oracle that names the nearest training place" in others
    assert others.rstrip().endswith("features of the backbone (frozen)")
    out = geotune("evaluate", str(model), town, "device=cpu", "neighbours=10")[1]
    assert "(frozen, 10 of 60 training photos)" in out
    assert "nearest photo" not in geotune("evaluate", str(model), town, "device=cpu", "neighbours=0")[1]


def test_evaluate_runs_a_custom_head_only_where_its_package_is_allowed(geotune, town, model, tmp_path):
    shutil.copytree(model, tmp_path / "own")
    about = json.loads((tmp_path / "own/model.json").read_text())
    head = {"name": "custom", "path": "nowhere.to_be_found:Head"}
    about["model"]["model"]["head"] = about["config"]["model"]["head"] = head
    (tmp_path / "own/model.json").write_text(json.dumps(about))
    code, _, err = geotune("evaluate", "own", town)
    assert code == 2
    assert "--allow nowhere" in err
    code, _, err = geotune("evaluate", "own", town, "--allow", "nowhere")
    assert code == 2
    assert "not allowed to run" not in err


def test_evaluate_two_models_says_whether_they_differ(geotune, town, model, tmp_path):
    cells = ["model.head.name=cells", "model.head.cells=16", "out=better", "train.epochs=20"]
    quick = [word for word in QUICK if not word.startswith("train.epochs")]
    assert geotune("train", town, *quick, *cells)[0] == 0
    options = ["--csv", "one.csv", "--json", "two.json"]
    code, out, _ = geotune("evaluate", str(model), "better", town, "split=train", "device=cpu", *options)
    assert code == 0
    first, second, test = out.partition("better:\n")[0], *out.partition("better:\n")[2].split("better against ")
    assert first.startswith(f"{model}:\ncolours, train split")
    assert "right cell in 5" in second
    assert "floor of cells" in second
    head, median, mean = test.splitlines()
    assert head == f"{model}, on the same photos"
    assert median.startswith("  better: its median error is ")
    assert " smaller (95 % of the difference -" in mean
    assert (tmp_path / "one.csv").is_file()
    numbers = json.loads((tmp_path / "two.json").read_text())
    assert (numbers["dataset"]["name"], numbers["split"], numbers["photos"]) == ("colours", "train", 60)
    assert [one["model"] for one in numbers["models"]] == [str(model), "better"]
    for one in numbers["models"]:
        assert all(set(metric) == {"value", "low", "high"} for metric in one["metrics"].values())
        assert one["metrics"]["median_m"]["low"] <= one["metrics"]["median_m"]["value"] <= 1e6
    medians = [one["metrics"]["median_m"]["value"] / 1000 for one in numbers["models"]]
    by_median, by_mean = numbers["paired"]
    assert by_median["difference_km"] == pytest.approx(medians[1] - medians[0])
    assert (by_median["verdict"], by_mean["statistic"]) == ("better", "mean")
    assert "floor_m" in numbers["models"][1]["metrics"]
    same = geotune("evaluate", str(model), str(model), town, "device=cpu")[1].splitlines()[-2:]
    assert same[0].startswith("  noise: its median error is 0.0 m larger")
    assert same[0].endswith("p = 1); these photos cannot tell the two apart")


def test_evaluate_the_world(geotune, datasets):
    world = f"data={datasets / 'globe'}"
    assert geotune("train", world, *QUICK, "out=globe")[0] == 0
    code, out, _ = geotune("evaluate", "globe", world, "device=cpu")
    assert code == 0
    assert "  right country     " in out
    assert " points  (95 % " in out


def test_evaluate_elsewhere_says_whose_training_photos_the_baselines_know(geotune, datasets, model):
    code, out, _ = geotune("evaluate", str(model), f"data={datasets / 'globe'}", "device=cpu")
    assert code == 0
    assert "not the dataset that it was trained on: baselines know this one's training photos" in out


def test_evaluate_another_split(geotune, town, model):
    code, out, _ = geotune("evaluate", str(model), town, "split=valid", "device=cpu")
    assert code == 0
    assert "valid split" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["split=tset"], "split"),
        (["data=nowhere"], "nowhere: no such folder"),
        ([], "which dataset?"),
        (["data=."], "not a dataset"),
        (["photos"], "did you mean data=photos?"),
        (["data/d200"], "did you mean data=data/d200?"),
        (["data="], "expected a value; got nothing"),
    ],
)
def test_evaluate_mistakes(geotune, model, tmp_path, words, message):
    (tmp_path / "x.txt").write_text("")
    (tmp_path / "photos").mkdir()
    code, _, err = geotune("evaluate", str(model), *words)
    assert code == 2
    assert message in err


@pytest.mark.parametrize("option", ["--csv", "--json"])
@pytest.mark.parametrize(
    ("path", "message"), [("no/such.file", "cannot be written (No such file"), (".", "is a folder")]
)
def test_evaluate_looks_for_its_files_before_it_measures(geotune, town, model, tmp_path, option, path, message):
    code, out, err = geotune("evaluate", str(model), town, option, path)
    assert (code, out) == (2, "")
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_a_runs_folder_stands_for_its_model(geotune, town, model, photos):
    assert geotune("evaluate", str(model.parent), town)[:2] == geotune("evaluate", str(model), town)[:2]
    assert geotune("predict", str(model.parent), *photos) == geotune("predict", str(model), *photos)


def test_no_model(geotune, town, tmp_path):
    code, _, err = geotune("evaluate", str(tmp_path), town)
    assert code == 2
    assert "no model (model.json is missing)" in err


# ---------------------------------------------------------------------------------------- predict


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    rng = np.random.default_rng(0)
    (tmp_path / "a.jpg").write_bytes(jpeg(0.2, 0.2, rng, 90))
    (tmp_path / "b=c.jpg").write_bytes(jpeg(0.8, 0.8, rng, 90))
    return ["a.jpg", "b=c.jpg"]


def test_predict_prints_a_table(geotune, model, photos):
    code, out, err = geotune("predict", str(model), *photos, "device=cpu")
    assert (code, err) == (0, "")
    head, first, second = (line.split() for line in out.splitlines())
    assert head == ["photo", "latitude", "longitude"]
    assert first[0] == "a.jpg"
    assert float(first[1]) == pytest.approx(51.757, abs=0.01)
    assert float(second[1]) > float(first[1])


def test_predict_csv_and_json_agree(geotune, model, photos):
    _, text, _ = geotune("predict", str(model), *photos, "--csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    _, text, _ = geotune("predict", str(model), *photos, "--json")
    objects = json.loads(text)
    assert [row["photo"] for row in rows] == photos
    assert [float(row["latitude"]) for row in rows] == [row["latitude"] for row in objects]


def test_a_photo_that_cannot_be_decoded_comes_last_with_code_2(geotune, model, photos, tmp_path):
    (tmp_path / "bad.jpg").write_text("not a JPEG")
    code, out, err = geotune("predict", str(model), "bad.jpg", "gone.jpg", *photos)
    assert code == 2
    assert [line.split()[0] for line in out.splitlines()] == ["photo", *photos]
    assert "2 of 4 photos could not be read" in err
    assert "bad.jpg: not a picture that can be decoded" in err
    assert "gone.jpg: No such file or directory" in err
    code, out, _ = geotune("predict", str(model), "bad.jpg", photos[0], "--json")
    assert code == 2
    bad, good = json.loads(out)
    assert "latitude" not in bad
    assert "latitude" in good
    code, out, _ = geotune("predict", str(model), "bad.jpg", photos[0], "--csv")
    assert next(iter(csv.DictReader(io.StringIO(out))))["problem"] == "not a picture that can be decoded"


def test_a_world_model_names_countries_and_cells_their_confidence(geotune, datasets, photos):
    words = (f"data={datasets / 'globe'}", "model.head.name=cells", "model.head.cells=8")
    assert geotune("train", *words, *QUICK, "out=w")[0] == 0
    code, out, _ = geotune("predict", "w/model", *photos)
    assert code == 0
    assert out.splitlines()[0].split() == ["photo", "latitude", "longitude", "country", "confidence"]
    _, text, _ = geotune("predict", "w/model", *photos, "--json")
    for row in json.loads(text):
        ranked = [place["probability"] for place in row["candidates"]]
        assert len(ranked) > 1
        assert ranked == sorted(ranked, reverse=True)
        assert 0 <= ranked[-1] <= ranked[0] <= 1


def test_predict_mistakes(geotune, model, photos):
    assert "no such folder" in geotune("predict", "nowhere", *photos)[2]
    assert "exclude each other" in geotune("predict", str(model), *photos, "--json", "--csv")[2]
    assert "which photos?" in geotune("predict", str(model))[2]
    assert "did you mean cpu?" in geotune("predict", str(model), *photos, "device=cup")[2]
    assert "no such setting; did you mean device?" in geotune("predict", str(model), *photos, "devise=cpu")[2]


@pytest.mark.parametrize("words", [["a.jpg"], ["a.jpg", "b=c.jpg"], ["gone.jpg"]])
def test_predict_without_a_model_says_so(geotune, photos, tmp_path, words):
    code, _, err = geotune("predict", *words)
    assert code == 2
    assert f"MODEL comes first\n  say geotune predict runs/NAME/model {words[0]}" in err
    (tmp_path / "runs/demo-1/model").mkdir(parents=True)
    (tmp_path / "runs/demo-1/model/model.json").write_text("{}")
    assert f"say geotune predict runs/demo-1/model {words[0]}" in geotune("predict", *words)[2]


def test_predict_takes_the_photos_of_a_folder(geotune, model, photos, tmp_path):
    (tmp_path / "some/below").mkdir(parents=True)
    shutil.copy(photos[0], tmp_path / "some/z.JPG")
    shutil.copy(photos[1], tmp_path / "some/below/y.jpg")
    (tmp_path / "some/notes.txt").write_text("no photo")
    (tmp_path / "some/.hidden.jpg").write_text("no photo")
    code, out, err = geotune("predict", str(model), "some", "a.jpg")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["some/below/y.jpg", "some/z.JPG", "a.jpg"]


def test_a_folder_without_photos_is_no_photo(geotune, model, datasets, tmp_path):
    (tmp_path / "none").mkdir()
    code, _, err = geotune("predict", str(model), "none")
    assert code == 2
    assert "none: no photos in this folder" in err
    code, _, err = geotune("predict", str(model), str(datasets / "town"))
    assert code == 2
    assert f"geotune evaluate MODEL data={datasets / 'town'}" in err


def test_a_missing_gpu_is_named_as_it_is_spelt(geotune, model, photos):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert "device=cuda: torch finds no such device here" in geotune("predict", str(model), *photos, "device=cuda")[2]


# ------------------------------------------------------------------------------------------- help


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train", ["train.batch_size=64", "optim.lr=0.001", "model.head.alpha=0.1", "config=", "out=", "--test"]),
        ("evaluate", ["split=test", "data=", "--csv"]),
        ("predict", ["--json", "--csv", "device=auto"]),
    ],
)
def test_help_lists_settings(geotune, command, words):
    code, out, _ = geotune(command, "--help")
    assert code == 0
    for word in words:
        assert word in out
