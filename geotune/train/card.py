"""The model card: a README.md beside an exported model, for the people who get the folder."""

from typing import Any

from geotune.geo.metrics import Extent, explained, format_metric, words


def card(description: dict[str, Any]) -> str:
    """Markdown from what model.json holds: what the model is, how good, how to use it, what it is not for."""
    model, dataset = description["config"]["model"], description["dataset"]
    sizes = ", ".join(map(str, description["config"]["input"]["sizes"]))
    photos = dataset.get("photos", {})
    where = "one region" if description["model"]["geography"]["extent"] == "region" else "the world"
    lines = [
        f"# {dataset.get('name', 'geotune model')}: where was this photo taken?",
        "",
        f"A photo in, latitude and longitude out, for {where}. Trained by geotune {description['geotune']}.",
        "",
        "    geotune predict THIS_FOLDER photo.jpg",
        "    geotune evaluate THIS_FOLDER data=DATASET",
        "",
        "```python",
        "from geotune.train.bundle import load_bundle",
        'for p in load_bundle("THIS_FOLDER").predict(["photo.jpg"]):',
        "    print(p.path, p.lat, p.lon)",
        "```",
        "",
        "## How good",
        "",
        *_table(description["metrics"], description["model"]["geography"]["extent"]),
        "",
        f"How well does it do {dataset['split_question']}?" if dataset.get("split_question") else "",
        *_explanations(description["metrics"]),
        "",
        "## What it was trained on",
        "",
        f"- photos: {', '.join(f'{count:,} {split}' for split, count in photos.items()) or 'unknown'}",
        f"- dataset fingerprint: `{str(dataset.get('fingerprint', ''))[:16]}`",
        f"- backbone: `{model['backbone']}` (timm), {model['frozen_layers']} of 5 parts frozen; "
        f"head: {model['head']['name']}; photo sizes: {sizes} px",
        f"- the backbone's starting weights: {_weights(description.get('weights', {}))}",
        "- every setting: `model.json`",
        "",
        "## What it is not for",
        "",
        "It answers with a place for any picture, also for one from elsewhere, and does not know when it is wrong. Do",
        "not use it to locate people without their consent, nor where an error of its size could harm someone.",
        "",
    ]
    return "\n".join(lines)


def _weights(about: dict[str, str]) -> str:
    if not about:
        return "unknown; they keep the licence of their publisher"
    if "sha256" not in about:
        return "none, it began at random"
    return f"`{about['tag']}`, licence {about['licence']} (SHA-256 `{about['sha256']}`)"


def _table(metrics: dict[str, float], extent: Extent) -> list[str]:
    splits = [split for split in ("test", "valid") if any(name.startswith(f"{split}/") for name in metrics)]
    if not splits:
        return ["Not measured."]
    names = list(dict.fromkeys(name.partition("/")[2] for name in metrics if "/" in name and "loss" not in name))
    names.sort(key=lambda name: not name.startswith("median"))  # its interval beside it, the rest as it comes
    rows = [f"| | {' | '.join(splits)} |", f"|---|{'---|' * len(splits)}"]
    for name in names:
        found = [metrics.get(f"{split}/{name}") for split in splits]
        values = ["" if value is None else format_metric(name, value, extent) for value in found]
        rows.append(f"| {words(name)} | {' | '.join(values)} |")
    return rows


def _explanations(metrics: dict[str, float]) -> list[str]:
    found = {words(name): explained(name) for name in metrics if explained(name)}
    return [f"- {name}: the median error of {text}" for name, text in found.items()]
