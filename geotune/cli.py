"""The front door: `geotune COMMAND …` -> the file of the same name in `geotune/commands/`.

Nothing heavy is imported here: a command's module is loaded when that command runs or asks for its own help.
"""

import os
import sys
import traceback
from collections.abc import Sequence

import click

from geotune import __version__
from geotune.commands.lazy import Lazy
from geotune.errors import GeotuneError, disk_error

COMMANDS = {  # name: one line; the command is the function `command` of geotune.commands.<name>
    "search": "Search for the best way to train on your photos, then train it in full.",
    "resume": "Go on with a search that was interrupted.",
    "finish": "Take the best trial so far and train it in full.",
    "budget": "Give a search more or less: trials, time, GPU hours; also while it runs.",
    "show": "Show a search that runs, has ended or was killed.",
    "runs": "List the runs of a folder, or remove some.",
    "sync": "Send to MLflow what a search could not.",
    "train": "Train one config, such as a search's best.yaml.",
    "evaluate": "Measure an exported model on a dataset's test split.",
    "predict": "Say where photos were taken.",
    "data": "Import photos, check a dataset, and what else belongs to data.",
    "ui": "Open the MLflow pages of your runs in a browser.",
}

# Read before any library is imported: nothing that geotune runs may call home.
QUIET = {
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


@click.group(
    cls=Lazy,
    lines=COMMANDS,
    package="geotune.commands",
    below={name: f"data {name}" for name in ("import", "check", "demo", "cache", "augment")},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="geotune")
def cli() -> None:
    """Find the best way to train an image-geolocation model on your own photos.

    \b
    geotune search space=demo                       try it on an embedded dataset
    geotune data import PHOTOS data/town            make a dataset of geotagged photos
    geotune search space=img2gps data=data/town     search, then train the winner in full
    geotune predict runs/img2gps-1/model photo.jpg  use it
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run a command line. Exit codes: 0 done, 1 a bug of ours (traceback), 2 a user's mistake, 130 interrupted."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        cli.main(args=args, prog_name="geotune", standalone_mode=False)
    except GeotuneError as error:
        _fail(str(error))
    except click.ClickException as error:
        message = error.format_message()
        if message.startswith("Usage:"):  # a group without a command: its help is the answer
            click.echo(message, err=True)
            sys.exit(2)
        _fail(message, getattr(error, "ctx", None))
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    except Exception as error:
        if full := disk_error(error):
            _fail(str(full))
        traceback.print_exc()
        click.echo("geotune: this is a bug in geotune, not your mistake; the lines above say where.", err=True)
        sys.exit(1)
    sys.exit(0)


def _fail(message: str, ctx: click.Context | None = None) -> None:
    words = [word for word in sys.argv[1:3] if word in COMMANDS or word.isalpha()]
    name = ctx.command_path if ctx else " ".join(["geotune", *(words if words[:1] == ["data"] else words[:1])])
    click.echo(f"{name}: {message}", err=True)
    sys.exit(2)
