"""From the words of a command line to a checked plan: every mistake is found here, before anything starts."""

from pathlib import Path
from typing import Any

from geotune.config import (
    Flat,
    along_with,
    build,
    flatten,
    load_yaml,
    places,
    read_words,
    settings_of,
    unknown,
)
from geotune.data.dataset import Dataset, open_dataset
from geotune.data.demo import demo_dataset
from geotune.errors import GeotuneError, SettingsError
from geotune.record.earlier import warmed
from geotune.record.library import find
from geotune.record.plan import Plan, SearchSettings, settle
from geotune.record.settings import agreed
from geotune.record.space import Space
from geotune.record.space_file import faults_of, spelt_words
from geotune.search.basis import basis
from geotune.train.settings import TrainConfig


def prepare(words: list[str]) -> tuple[Plan, Dataset]:
    """Check `space=… data=… key=value …` as a whole.

    Raises SettingsError with all faults of the command line or of the space file, GeotuneError for the dataset.
    """
    flat, problems = read_words(words)
    flat = spelt_words(flat)
    asked, pins, full, more = _sorted(flat)
    problems += more
    if "space" not in asked:
        told = any(key == "space" for key, _ in problems)
        raise SettingsError(problems if told else [*problems, ("space", "is needed; `geotune search` lists them")])
    path = _find(str(asked["space"]), problems)
    tree = load_yaml(path)
    if full and isinstance(tree.get("full") or {}, dict):
        tree["full"] = flatten(tree.get("full") or {}) | full
    with along_with(problems):
        try:
            space, faults = Space.checked(path.stem, tree, pins)
            if faults:
                faults += faults_of(lambda: agreed(asked, space))
                raise SettingsError(list(dict.fromkeys(faults)))
            data = settle(asked, space).data
        except SettingsError as error:
            of_file = [key for key, _ in error.problems if not _given(key, flat)]
            source = str(path) if len(of_file) == len(error.problems) else ""
            raise SettingsError(error.problems, source, places(tree, of_file)) from None
    dataset = find_data(data)
    for name in dataset.counts:
        dataset.split(name)  # its shards are there, whole and as they were, before anything starts
    plan = warmed(Plan.make(asked, space, tree, pins, _describe(dataset)))
    plan.tree.update(basis(plan, words, path))
    return plan, dataset


def find_data(data: str) -> Dataset:
    """The dataset that `data=` names: a folder, `demo`, or (unless named) ./data."""
    if data == "demo":
        return open_dataset(demo_dataset())
    if not data and not (Path("data") / "dataset.json").is_file():
        mend = "give data=DIR (make one with `geotune data import PHOTOS DIR`), or data=demo"
        raise GeotuneError("no dataset: data= is not given and ./data is none", mend)
    return open_dataset(data or "data")


def pinned(plan: Plan) -> list[str]:
    """One line for each setting that the space searches and the command line fixes, then what else is to be known."""
    searched = plan.space.file.search
    return [
        f"{key}={value} is fixed; the space would search it"
        for key, value in plan.tree["pins"].items()
        if key in searched
    ] + list(plan.remarks)


def _find(name: str, problems: list[tuple[str, str]]) -> Path:
    try:
        return find(name)
    except GeotuneError as error:
        if not problems:
            raise
        raise SettingsError([*problems, ("space", error.problem.removeprefix(f"space={name}: "))]) from None


def _given(key: str, flat: Flat) -> bool:
    """Whether a fault's key is the command line's, and not the space file's: `goal` is, with goal.minimize=…"""
    return any(word == key or word.startswith(f"{key}.") for word in flat)


def _sorted(flat: Flat) -> tuple[Flat, Flat, Flat, list[tuple[str, str]]]:
    """(words of the search, settings of every trial, settings of the full training, what is wrong with the words)."""
    words = {setting.key for setting in settings_of(SearchSettings)}
    settings = {setting.key for setting in settings_of(TrainConfig)} - words
    known = words | settings | {f"full.{key}" for key in settings}
    problems = [(key, unknown(key, known)) for key in flat if key not in known]
    asked = {key: value for key, value in flat.items() if key in words}
    try:
        build(SearchSettings, asked)
    except SettingsError as error:
        problems += error.problems
    full = {key.removeprefix("full."): v for key, v in flat.items() if key in known and key.startswith("full.")}
    return asked, {key: value for key, value in flat.items() if key in settings}, full, problems


def _describe(dataset: Dataset) -> dict[str, Any]:
    return {
        "path": dataset.source,
        "name": dataset.name,
        "extent": dataset.extent,
        "fingerprint": dataset.fingerprint,
        "question": dataset.split_question,
        "photos": dict(dataset.counts),
    }
