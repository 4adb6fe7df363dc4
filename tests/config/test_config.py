"""The settings language: reading, building, every problem at once, and units."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BeforeValidator, Field, model_validator

from geotune.config import (
    Duration,
    Length,
    Settings,
    applicable,
    build,
    dump_yaml,
    flatten,
    load_yaml,
    nest,
    parse_duration,
    parse_length,
    parse_overrides,
    parse_value,
    settings_of,
)
from geotune.errors import GeotuneError, SettingsError


class Regression(Settings):
    name: Literal["regression"] = "regression"
    """The coordinates themselves"""
    loss: Literal["mse", "smooth_l1"] = "mse"
    """What is minimised"""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of features dropped"""


class Cells(Settings):
    name: Literal["cells"] = "cells"
    """One class a cell"""
    cells: Annotated[int, Field(ge=2)] = 64
    """How many cells"""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of features dropped"""


class Model(Settings):
    backbone: str = "resnet18"
    """A timm model"""
    head: Annotated[Regression | Cells, Field(discriminator="name")] = Regression()


class Input(Settings):
    sizes: list[int] = [224]
    """Photo sizes"""
    views: Annotated[Literal["auto"] | Annotated[int, Field(gt=0)], Field()] = "auto"
    """Augmented views"""


class Config(Settings):
    data: str = ""
    """The dataset"""
    epochs: Annotated[int, Field(ge=1)] = 30
    """Passes"""
    lr: float = 1e-3
    """Learning rate"""
    verbose: bool = False
    """Say more"""
    out: Path | None = None
    """Where to"""
    time: Duration | None = None
    """Time limit"""
    radius: Length = "25m"  # type: ignore[assignment]
    """Size of a place"""
    model: Model = Model()
    input: Input = Input()


class Needed(Settings):
    data: str
    """The dataset"""
    low: Annotated[int, BeforeValidator(lambda value: value)] = 1
    """Lower end"""
    high: int = 2
    """Upper end"""

    @model_validator(mode="after")
    def _ordered(self) -> "Needed":
        if self.low > self.high:
            raise ValueError("expected low <= high")
        return self


def problems(flat, cls=Config):
    with pytest.raises(SettingsError) as error:
        build(cls, flat)
    return dict(error.value.problems)


# ------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-3", 0.001),
        ("no", "no"),
        ("true", True),
        ("null", None),
        ("", None),
        ("[1, 2]", [1, 2]),
        ("8h", "8h"),
        ("resnet18", "resnet18"),
        ("'3'", "3"),
        ("2024-05-01", "2024-05-01"),
        ("data/[1", "data/[1"),
        ("a: b: c", "a: b: c"),
        ("!!python/object/apply:os.getcwd []", "!!python/object/apply:os.getcwd []"),
        ("!!int abc", "!!int abc"),
    ],
)
def test_a_word_is_yaml_1_2(text, value):
    parsed = parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)


@given(st.one_of(st.text(max_size=20), st.text("!!intfloa&*[]{}:,?|>-#'\"%@0x1e_ \t\n", max_size=20)))
def test_no_word_crashes_the_reader(text):
    parse_value(text)


def test_yaml_comes_back(tmp_path):
    tree = {"b": {"x": 1e-05, "no": "no", "date": "2024-05-01", "list": [1, "8h", None]}, "a": "1e3", "long": "x " * 99}
    path = tmp_path / "a.yaml"
    path.write_text(dump_yaml(tree), encoding="utf-8")
    loaded = load_yaml(path)
    assert loaded == tree
    assert list(loaded) == list(tree)


printable = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=8)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), printable)


@settings(max_examples=50)
@given(
    st.dictionaries(st.from_regex(r"[a-z_]{1,6}", fullmatch=True), st.one_of(scalars, st.lists(scalars, max_size=3)))
)
def test_any_plain_mapping_comes_back(tree):
    assert parse_value(dump_yaml(tree)) == tree


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: [1\n", "space.yaml:3: "),
        ("a: 1\na: 2\n", 'found duplicate key "a"'),
        ("- 1\n", "expected a mapping of settings, found list"),
        ("", "is empty"),
        ("a: !!python/name:os.system\n", "space.yaml:1: could not determine a constructor"),
        ("a: !!int x\n", "cannot be read as YAML"),
    ],
)
def test_a_faulty_file_is_told_with_its_path(tmp_path, text, problem):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    with pytest.raises(GeotuneError) as error:
        load_yaml(path)
    assert str(error.value).startswith(f"{path}:")
    assert problem in str(error.value)


def test_a_missing_file_a_folder_and_a_picture(tmp_path):
    with pytest.raises(GeotuneError, match="no such file"):
        load_yaml(tmp_path / "none.yaml")
    with pytest.raises(GeotuneError, match="cannot be read"):
        load_yaml(tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(GeotuneError, match="cannot be read"):
        load_yaml(tmp_path / "a.jpg")


# ------------------------------------------------------------------------------- flat <-> nested <-> typed


def test_nest_and_flatten_are_inverse():
    flat = {"data": "x", "model.backbone": "b", "model.head.name": "cells", "input.sizes": [1, 2]}
    assert flatten(nest(flat)) == flat
    with pytest.raises(SettingsError, match="data is a single value, not a group"):
        nest({"data": "x", "data.y": 1})


def test_defaults_need_nothing():
    config = build(Config, {})
    assert config.radius == 25.0
    assert config.model.head == Regression()


def test_values_come_from_dots_and_from_groups():
    config = build(Config, {"model": {"head": {"name": "cells"}}, "model.head.cells": 32, "time": "1h30m"})
    assert config.model.head == Cells(cells=32)
    assert config.time == 5400


def test_a_setting_of_the_default_head_needs_no_name():
    assert build(Config, {"model.head.loss": "smooth_l1"}).model.head == Regression(loss="smooth_l1")


def test_a_config_is_frozen_and_comes_back_from_its_own_yaml():
    config = build(Config, {"out": "a/b", "time": "0.1s", "radius": "2.5km", "model.head.name": "cells", "lr": 3e-7})
    assert build(Config, flatten(config)) == config
    assert build(Config, parse_value(dump_yaml(nest(flatten(config))))) == config
    with pytest.raises(ValueError, match="frozen"):
        config.epochs = 3


def test_numbers_and_dates_are_folders_too():
    assert build(Config, parse_overrides(["data=2024"])).data == "2024"
    assert build(Config, parse_overrides(["data=2024-05-01"])).data == "2024-05-01"


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("epoch", 3, "no such setting; did you mean epochs?"),
        ("model.haed.name", "cells", "no such setting; did you mean model.head.name?"),
        ("train.backbone", "x", "no such setting; did you mean model.backbone?"),
        ("zzz", 1, "no such setting"),
        ("model", 3, "is a group of settings, not one; say model.backbone=…"),
        ("model.head", "cells", "is a group of settings, not one; say model.head.name=…"),
        ("model.head.cells", 8, "not a setting of this head; it belongs to cells"),
        ("model.head.name", "cell", "expected one of regression, cells; got 'cell'; did you mean cells?"),
        ("model.head.name", None, "expected one of regression, cells; got None"),
        ("model.head.loss", "msee", "expected mse | smooth_l1; got 'msee'; did you mean mse?"),
        ("model.head.dropout", 1, "expected a value below 1.0; got 1"),
        ("epochs", "abc", "expected a whole number; got 'abc'"),
        ("epochs", 1.5, "expected a whole number; got 1.5"),
        ("epochs", 0, "expected a value at least 1; got 0"),
        ("epochs", True, "expected a whole number; got true"),
        ("epochs", [3], "expected a whole number; got [3]"),
        ("lr", float("nan"), "expected a number; got nan"),
        ("lr", float("inf"), "expected a number; got inf"),
        ("lr", False, "expected a number; got false"),
        ("data", None, "expected text; got None"),
        ("data", True, "expected text; got True"),
        ("verbose", "maybe", "expected true | false; got 'maybe'"),
        ("out", 5, "expected path | null; got 5"),
        ("input.sizes", 224, "expected a list of whole numbers; got 224"),
        ("input.sizes", [1, "a", "b"], "expected a list of whole numbers; got [1, 'a', 'b']"),
        ("input.views", "atuo", "expected auto | whole number; got 'atuo'; did you mean auto?"),
        ("input.views", 0, "expected a value above 0; got 0"),
        ("time", 90, "expected a number with a unit (s, m, min, h, d), as in 90s, 20m, 8h or 1h30m; got 90"),
        ("time", "8 x", "expected a number with a unit (s, m, min, h, d), as in 90s, 20m, 8h or 1h30m; got '8 x'"),
        ("radius", "50", "expected a number with a unit (m, km), as in 50m or 2.5km; got '50'"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_told_once_with_its_mend(key, value, problem):
    assert problems({key: value}) == {key: problem}


def test_all_problems_at_once():
    found = problems({"epochs": "abc", "model.haed.name": "cells", "radius": 5, "lr": 0.1, "model.head.name": "x"})
    assert list(found) == ["model.haed.name", "epochs", "radius", "model.head.name"]


def test_what_is_needed_and_what_spans_several_settings():
    assert problems({}, Needed) == {"data": "is needed"}
    assert problems({"data": "x", "low": 5}, Needed) == {"": "expected low <= high"}


def test_the_source_stands_in_the_heading():
    with pytest.raises(SettingsError, match=r"1 problem in best\.yaml"):
        build(Config, {"x": 1}, source="best.yaml")


def test_faults_of_a_file_stand_with_their_lines(tmp_path):
    path = tmp_path / "best.yaml"
    path.write_text("model:\n  head:\n    loss: msee\nepochs: 3\nlrr: 1\n")
    with pytest.raises(SettingsError) as error:
        build(Config, load_yaml(path), str(path))
    assert error.value.where == {"lrr": "best.yaml:5", "model.head.loss": "best.yaml:3"}


def test_a_value_for_all_heads_goes_to_those_that_have_it():
    flat = {"model.head.cells": 8, "model.head.dropout": 0.2, "lr": 1.0}
    assert applicable(Config, flat) == {"model.head.dropout": 0.2, "lr": 1.0}
    assert applicable(Config, flat | {"model.head.name": "cells"}) == flat | {"model.head.name": "cells"}


# ------------------------------------------------------------------------------------------ documentation


def test_settings_are_listed_with_kind_default_and_meaning():
    by_key = {setting.key: setting for setting in settings_of(Config)}
    assert list(by_key)[:7] == ["data", "epochs", "lr", "verbose", "out", "time", "radius"]
    assert (by_key["epochs"].kind, by_key["epochs"].default, by_key["epochs"].doc) == ("whole number", 30, "Passes")
    assert by_key["verbose"].kind == "true | false"
    assert by_key["out"].kind == "path | null"
    assert by_key["time"].kind == "time such as 8h | null"
    assert by_key["radius"].kind == "length such as 50m"
    assert by_key["radius"].default == "25m"
    assert by_key["input.sizes"].kind == "list of whole numbers"
    assert by_key["input.views"].kind == "auto | whole number"


def test_the_members_of_a_union_share_their_keys():
    by_key = {setting.key: setting for setting in settings_of(Config)}
    assert (by_key["model.head.name"].kind, by_key["model.head.name"].default) == ("regression | cells", "regression")
    assert by_key["model.head.name"].owner == "regression, cells"
    assert by_key["model.head.dropout"].owner == "regression, cells"
    assert by_key["model.head.loss"].owner == "regression"
    assert by_key["model.head.cells"].owner == "cells"
    assert by_key["model.backbone"].owner == ""


# ------------------------------------------------------------------------------------------ units


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("20m", 1200), ("20min", 1200), ("8h", 28800), ("1h30m", 5400), ("1h 30m", 5400), ("1.5h", 5400),
     ("2d", 172800), (" 8h ", 28800)],
)  # fmt: skip
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("value", [90, 1.5, None, True, "", "8", "h", "8hh", "8 x", "-8h", "8h!", "1e3s", "8h foo"])
def test_what_is_no_duration(value):
    with pytest.raises(ValueError, match="expected a number with a unit"):
        parse_duration(value)


def test_lengths():
    assert parse_length("50m") == 50
    assert parse_length("2.5km") == 2500
    with pytest.raises(ValueError, match=r"m, km.*50m or 2\.5km"):
        parse_length("50ft")


@given(st.one_of(st.integers(0, 10**7).map(float), st.floats(1e-6, 1e9)))
def test_quantities_come_back_from_their_text(value):
    class Quantities(Settings):
        time: Duration = "1s"  # type: ignore[assignment]
        """Time"""
        length: Length = "1m"  # type: ignore[assignment]
        """Length"""

    built = build(Quantities, {"time": f"{value:.9f}s", "length": f"{value:.9f}m"})
    again = build(Quantities, flatten(built))
    assert again.time == pytest.approx(built.time, abs=1e-9)
    assert again.length == pytest.approx(built.length, abs=1e-9)
