"""`geotune predict`: photos in, latitude and longitude out."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from geotune.commands.settings_help import SettingsCommand
from geotune.config import Settings, from_words
from geotune.data.diagnose import PHOTO_SUFFIXES
from geotune.errors import GeotuneError

if TYPE_CHECKING:
    from geotune.train.bundle import Bundle, Prediction

DECIMALS = {"region": 6, "world": 4}
"""Of a degree: 0.1 m and 11 m, finer than any model."""


class Words(Settings):
    """Settings of a prediction."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute"""


@click.command(cls=SettingsCommand)
@click.argument("model", metavar="MODEL")
@click.argument("words", nargs=-1, metavar="PHOTO… [KEY=VALUE]…")
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: a list with one object a photo, its likeliest places ranked."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV: a line a photo.")
@click.option("--allow", multiple=True, metavar="PACKAGE", help="Run the code of a custom head from this package.")
def command(model: str, words: tuple[str, ...], as_json: bool, as_csv: bool, allow: tuple[str, ...]) -> None:
    """Say where photos were taken. MODEL is the folder that a search or a training exported, or the whole run's.

    \b
    geotune predict runs/demo-1/model photo.jpg another.png
    geotune predict runs/demo-1 photos --csv > places.csv

    A folder stands for the photos in it and below. A photo that cannot be read is named at the end, with exit code
    2; all others are answered before.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    named = [word for word in words if not _is_setting(word)]
    given = from_words(Words, (word for word in words if _is_setting(word)))
    if Path(model).is_file() or Path(model).suffix.lower() in PHOTO_SUFFIXES:
        raise GeotuneError(
            f"{model}: not the folder of a model; MODEL comes first", f"say geotune predict {_a_model()} {model}"
        )
    if not named:
        raise click.UsageError(f"which photos? Say geotune predict {model} photo.jpg")
    photos = [photo for path in named for photo in _photos(Path(path).expanduser())]
    from geotune.train.bundle import load_bundle

    bundle = load_bundle(Path(model).expanduser(), given.device, allow=allow)
    predictions = bundle.predict(photos)
    rows = _rows(bundle, predictions)
    if as_json:
        _rank(rows, bundle, predictions)
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif as_csv:
        _print_csv(rows)
    else:
        _print_table(rows, DECIMALS[bundle.extent])
    bad = [prediction for prediction in predictions if prediction.problem]
    if bad:
        lines = [f"  {prediction.path}: {prediction.problem}" for prediction in bad]
        count = f"{len(bad)} of {len(predictions)} photos could not be read"
        raise GeotuneError("\n".join([count, *lines]))


command.settings = ("geotune.commands.predict:Words",)


def _is_setting(word: str) -> bool:
    """`device=cpu` is one; a photo may have an = in its name too."""
    return re.match(r"[a-z_]+=", word) is not None and not Path(word).exists()


def _a_model() -> str:
    """A model that is there, to stand in an example."""
    return next((str(path.parent) for path in sorted(Path("runs").glob("*/model/model.json"))), "runs/NAME/model")


def _photos(path: Path) -> Iterator[Path]:
    """The path itself, or every photo in and below a folder, in the order of names; hidden ones are passed over."""
    if not path.is_dir():
        yield path
        return
    if (path / "dataset.json").is_file():
        raise GeotuneError(f"{path}: a dataset, not photos", f"measure on it: geotune evaluate MODEL data={path}")
    found = [
        photo
        for photo in sorted(path.rglob("*"))
        if photo.suffix.lower() in PHOTO_SUFFIXES
        and not any(part.startswith(".") for part in photo.relative_to(path).parts)
    ]
    if not found:
        raise GeotuneError(f"{path}: no photos in this folder", f"photos are {', '.join(sorted(PHOTO_SUFFIXES))}")
    yield from found


def _rows(bundle: "Bundle", predictions: Sequence["Prediction"]) -> list[dict[str, Any]]:
    """One row a photo: the place, its country for a model of the world, the confidence of heads with cells; or the
    problem of a photo that cannot be read."""
    good = [prediction for prediction in predictions if not prediction.problem]
    codes: list[str] = []
    if bundle.extent == "world" and good:
        from geotune.geo.countries import country_codes

        codes = country_codes([p.lat for p in good], [p.lon for p in good]).tolist()
    digits = DECIMALS[bundle.extent]
    country = dict(zip(map(id, good), codes, strict=False))
    rows = []
    for p in predictions:
        row: dict[str, Any] = {"photo": str(p.path)}
        if p.problem:
            row |= {"problem": p.problem}
        else:
            row |= {"latitude": round(p.lat, digits), "longitude": round(p.lon, digits)}
            if codes:
                row["country"] = country[id(p)]
            if p.confidence is not None:
                row["confidence"] = round(p.confidence, 3)
        rows.append(row)
    return rows


def _rank(rows: list[dict[str, Any]], bundle: "Bundle", predictions: Sequence["Prediction"]) -> None:
    """Put the likeliest places beside the answer, where the head ranks places."""
    digits = DECIMALS[bundle.extent]
    for row, prediction in zip(rows, predictions, strict=True):
        if prediction.candidates:
            row["candidates"] = [
                {"latitude": round(lat, digits), "longitude": round(lon, digits), "probability": round(probability, 4)}
                for lat, lon, probability in prediction.candidates
            ]


def _print_csv(rows: list[dict[str, Any]]) -> None:
    import csv
    import sys

    columns = ["photo", "latitude", "longitude", *_extra(rows)]
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _print_table(rows: list[dict[str, Any]], digits: int) -> None:
    good = [row for row in rows if "problem" not in row]
    columns = ["photo", "latitude", "longitude", *(name for name in _extra(rows) if name != "problem")]
    decimals = {"latitude": digits, "longitude": digits, "confidence": 3}

    def text(row: dict[str, Any], name: str) -> str:
        return f"{row[name]:.{decimals[name]}f}" if name in decimals else str(row[name])

    lines = [columns, *([text(row, name) for name in columns] for row in good)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines if good else []:
        cells = [
            cell.ljust(width) if name in ("photo", "country") else cell.rjust(width)
            for cell, width, name in zip(line, widths, columns, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def _extra(rows: list[dict[str, Any]]) -> list[str]:
    return [name for name in ("country", "confidence", "problem") if any(name in row for row in rows)]
