"""What `geotune evaluate` and `geotune train --test` say: a model's numbers, its baselines, two models side by side."""

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from geotune.commands.data.common import progress

if TYPE_CHECKING:
    from rich.console import Console

    from geotune.data.dataset import Dataset
    from geotune.geo.paired import Paired
    from geotune.train.bundle import Bundle
    from geotune.train.evaluate import Evaluation


def measure(bundle: "Bundle", dataset: "Dataset", split_name: str, neighbours: int = 0) -> "Evaluation":
    """Evaluate a model on a split and print what came out.

    `neighbours` is how many training photos at most the nearest photo is looked for among; 0 leaves that baseline out.
    """
    from rich.console import Console

    from geotune.train.evaluate import evaluate

    split, training = dataset.split(split_name), dataset.split("train").subset(bundle.config.input.fraction)
    console = Console(highlight=False, soft_wrap=True)
    with progress() as tell:
        evaluation = evaluate(bundle.model, split, training, on_photos=partial(tell, "photos"))
        note = ""
        if neighbours and split_name != "train":  # a training photo is its own nearest
            from geotune.train.neighbours import nearest_photo_km

            known = training.subset(min(1.0, neighbours / len(training)))
            features = partial(tell, "features of photos, for the baseline (neighbours=0 leaves it out)")
            errors_km = nearest_photo_km(bundle, dataset, split, known, on_photos=features)
            evaluation = evaluation.beside("nearest_photo", errors_km)
            note = _features_of(bundle, len(known), len(training))
    console.out(
        f"{dataset.name}, {split_name} split: {len(split):,} photos of {len(set(split.place.tolist())):,} places"
    )
    if dataset.split_question:
        console.out(f"how well does it do {dataset.split_question}?")
    if dataset.fingerprint != bundle.dataset.get("fingerprint"):
        console.out("not the dataset that it was trained on: baselines know this one's training photos")
    _print(console, evaluation, note)
    return evaluation


def compare(one: "Evaluation", other: "Evaluation", names: tuple[str, str]) -> list["Paired"]:
    """Print in plain words whether the second of two models differs from the first; median and mean."""
    from rich.console import Console

    say = Console(highlight=False, soft_wrap=True).out
    say(f"{names[1]} against {names[0]}, on the same photos")
    tests = [other.against(one, "median"), other.against(one, "mean")]
    for test in tests:
        say(f"  {_verdict(test, one)}")
    return tests


def as_plain(
    dataset: "Dataset", models: Sequence[tuple[str, "Evaluation"]], tests: Sequence["Paired"]
) -> dict[str, Any]:
    """What `--json` writes: each model's numbers with their 95 % intervals, and the paired tests; null for NaN."""
    first = models[0][1]
    return {
        "dataset": {"name": dataset.name, "fingerprint": dataset.fingerprint},
        "split": first.split,
        "photos": len(first.place),
        "places": len(set(first.place.tolist())),
        "models": [{"model": name, "metrics": _metrics_of(evaluation)} for name, evaluation in models],
        "paired": [
            {
                "statistic": test.statistic,
                "difference_km": test.difference,
                "low_km": test.interval[0],
                "high_km": test.interval[1],
                "p_value": test.p_value,
                "verdict": test.verdict,
            }
            for test in tests
        ],
    }


def _metrics_of(evaluation: "Evaluation") -> dict[str, dict[str, float | None]]:
    """`{median_m: {value, low, high}}`."""
    return {
        name.partition("/")[2]: {
            key: number if math.isfinite(number) else None
            for key, number in zip(("value", "low", "high"), (value, *evaluation.intervals[name]), strict=True)
        }
        for name, value in evaluation.metrics.items()
    }


def _print(console: "Console", evaluation: "Evaluation", note: str) -> None:
    """A line a metric, then a line a baseline; `note` says which features the nearest photo was looked for by."""
    from geotune.geo.metrics import explained, format_metric, words

    def line(name: str, first: bool = False) -> str:
        low, high = (format_metric(name, bound, evaluation.extent) for bound in evaluation.intervals[name])
        value = format_metric(name, evaluation.metrics[name], evaluation.extent)
        return f"  {words(name):<16}  {value}  (95 % {low} to {high}{', over places' if first else ''})"

    baselines = [name for name in evaluation.metrics if explained(name)]
    for number, name in enumerate(name for name in evaluation.metrics if not explained(name)):
        console.out(line(name, number == 0))
    console.out("median errors of other answers:")
    for name in baselines:
        console.out(f"{line(name)}  {explained(name)}{note if '/nearest_photo' in name else ''}")


def _features_of(bundle: "Bundle", known: int, all_photos: int) -> str:
    kind = "frozen" if bundle.model.backbone.is_frozen else "tuned"
    return f" ({kind}{'' if known == all_photos else f', {known:,} of {all_photos:,} training photos'})"


def _verdict(test: "Paired", evaluation: "Evaluation") -> str:
    from geotune.geo.metrics import format_distance

    low, high, size = (format_distance(km, evaluation.extent) for km in (*test.interval, abs(test.difference)))
    way = "smaller" if test.difference < 0 else "larger"
    told = (
        f"its {test.statistic} error is {size} {way} (95 % of the difference {low} to {high}, p = {test.p_value:.2g})"
    )
    return f"{test.verdict}: {told}" + ("; these photos cannot tell the two apart" if test.verdict == "noise" else "")
