"""Before a search goes on: are its data, its space and the code that trains as they were when it began?"""

import shlex
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import geotune
from geotune.config import flatten, load_yaml, read_words
from geotune.data.dataset import Dataset, open_dataset
from geotune.errors import GeotuneError
from geotune.record.folder import RunFolder
from geotune.record.plan import Plan
from geotune.record.public import shown
from geotune.search.basis import SEALED, code, digest, seal

NAMED = 4
"""Changed settings of a space that are named at most."""


def unchanged(plan: Plan, run: RunFolder, *, told: bool = False, command: str = "resume") -> list[str]:
    """Check it -> what the user should know all the same, a line each.

    Raises GeotuneError that says what changed, with the two commands to go on with. `told` is the user's word to go on
    nevertheless, with the run's own copy of the space; what changed is then written to search.yaml. A search.yaml that
    was edited is always refused: the trials in the record may not even lie in its ranges.
    """
    if run.final_json.is_file():
        return []  # no trial is left to compare
    if plan.tree.get("seal", seal(plan.tree)) != seal(plan.tree):
        problem = f"{_here(run.search_yaml)}: {', '.join(SEALED[:-1])} or {SEALED[-1]} edited since the search began"
        raise GeotuneError(problem, f"put it back, or begin anew with what it learnt: {anew(plan, run)}")
    dataset = open_dataset(plan.data)
    found = dict(_changes(plan, dataset))
    if found and not told:
        lines = "".join(f"\n  {what:<5}  {text}" for what, text in found.items())
        raise GeotuneError(
            f"{_here(run.path)}: changed since the search began; new trials could not be compared:{lines}",
            f"to begin anew with what it learnt:  {anew(plan, run, other_data='data' in found)}\n"
            f"  to go on all the same:              geotune {command} {shlex.quote(_here(run.path))} --changed",
        )
    if found:
        _accept(plan, run, dataset, found)
    return [f"changed since the search began: {what} {text}" for what, text in found.items()] + _libraries(plan.tree)


def anew(plan: Plan, run: RunFolder, *, other_data: bool = False) -> str:
    """The command of a new search like this one that learns from its trials, without the password of `tracking=`."""
    asked: list[str] = plan.tree.get("words", [])
    given, _ = read_words(asked)
    space, data = str(given.get("space", plan.space.name)), str(given.get("data", ""))
    if space.endswith((".yaml", ".yml")):
        space = _here(Path(plan.tree["space_file"]))
    command = ["geotune", "search", f"space={space}"]
    if data:
        command.append(f"data={data if data == 'demo' else _here(Path(plan.data))}")
    words = [word for word in asked if not word.startswith(("space=", "data=", "warm_start"))]
    command += [shown(word) if word.startswith("tracking=") else word for word in words]
    earlier = [str(given["warm_start"])] if "warm_start" in given else []
    command.append(f"warm_start={','.join([_here(run.path), *earlier])}")
    if other_data or "warm_start_other_data" in given:
        command.append("warm_start_other_data=true")
    return shlex.join(command)


def _changes(plan: Plan, dataset: Dataset) -> Iterator[tuple[str, str]]:
    """(data | space | code, in words) for each that is no longer what it was."""
    tree = plan.tree
    before, photos = tree["dataset"]["fingerprint"], tree["dataset"].get("photos", {})
    if dataset.fingerprint != before:
        counts = [f"{photos.get(k, 0):,} -> {n:,} {k}" for k, n in dataset.counts.items() if photos.get(k) != n]
        told = "; ".join([f"{before[:12]} -> {dataset.fingerprint[:12]}", *([", ".join(counts)] if counts else [])])
        yield "data", f"{_here(Path(plan.data))} ({told})"
    now = _space_now(tree)
    if now is not None and digest(now) != tree.get("space_seen"):
        keys = _differing(plan, now)
        more = f", and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
        if keys:
            yield "space", f"{_here(Path(tree['space_file']))} ({', '.join(keys[:NAMED])}{more})"
    then, here = tree.get("code", {}), code(plan.space)
    other = [name for name in then | here if then and then.get(name) != here.get(name)]
    if other:
        version = tree["versions"]["geotune"]
        versions = f" (geotune {version} -> {geotune.__version__})" if version != geotune.__version__ else ""
        yield "code", f"{', '.join(other)}{versions}"


def _space_now(tree: dict[str, Any]) -> dict[str, Any] | None:
    """What the space's file says now; None where it is gone, as the run has its own copy."""
    path = Path(tree.get("space_file", ""))
    return dict(load_yaml(path)) if path.is_file() else None


def _differing(plan: Plan, now: dict[str, Any]) -> list[str]:
    """Keys of the space's file that differ from the run's copy, in which the command line's `full.…` stands too."""
    given, _ = read_words(plan.tree["words"])
    old, new = (
        {k: v for k, v in flatten(tree).items() if k not in given} for tree in (plan.tree["space"]["file"], now)
    )
    return [key for key in old | new if key not in old or key not in new or old[key] != new[key]]


def _accept(plan: Plan, run: RunFolder, dataset: Dataset, found: dict[str, str]) -> None:
    """Write to search.yaml what the search rests on from here."""
    tree = plan.tree
    tree["dataset"] = tree["dataset"] | {"fingerprint": dataset.fingerprint, "photos": dict(dataset.counts)}
    tree["code"] = code(plan.space)
    now = _space_now(tree)
    if now is not None:
        tree["space_seen"] = digest(now)
    what = [f"{what}: {text}" for what, text in found.items()]
    tree.setdefault("changes", []).append({"time": time.strftime("%Y-%m-%d %H:%M:%S"), "what": what})
    plan.write(run)
    if "data" in found:  # a checkpoint belongs to the photos that its training began with
        for trial in run.trials():
            if not trial.outcome.is_file():
                trial.drop_checkpoints()


def _libraries(tree: dict[str, Any]) -> list[str]:
    """Libraries of another version: no reason to stop, as they mean to give the same numbers."""
    found = {name: metadata.version(name) for name in tree["versions"] if name not in ("geotune", "python")}
    return [
        f"{name} is another version than when the search began: {tree['versions'][name]} -> {version}"
        for name, version in found.items()
        if version != tree["versions"][name]
    ]


def _here(path: Path) -> str:
    path = path.absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
