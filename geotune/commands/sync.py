"""`geotune sync`: send to MLflow what a search could not."""

from pathlib import Path

import click

from geotune.commands.settings_help import SettingsCommand
from geotune.config import Settings, from_words, load_yaml
from geotune.errors import GeotuneError


class SyncSettings(Settings):
    """Words of the command."""

    tracking: str = ""
    """Where to: an MLflow tracking URI. Default: where the search itself sends its results."""


class SyncCommand(SettingsCommand):
    settings = ("geotune.commands.sync:SyncSettings",)


@click.command("sync", cls=SyncCommand)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("words", nargs=-1, metavar="[tracking=URI]")
def command(run: Path, words: tuple[str, ...]) -> None:
    """Send to MLflow what it does not have yet of the search in the folder RUN.

    A search sends everything itself; this is for what is left when MLflow did not answer to its end. Nothing is sent
    twice, however often and whenever it is called. tracking= sends to another place than the search's own.

    \b
    geotune sync runs/img2gps-1
    geotune sync runs/img2gps-1 tracking=http://mlflow.example:5000
    """
    from geotune.record.folder import RunFolder

    folder = RunFolder.open(run)  # before anything heavy is imported
    from geotune.record.driver import is_running
    from geotune.record.public import shown
    from geotune.track.mlflow import check_uri, store_uri
    from geotune.track.sender import Sender, reason

    asked = load_yaml(folder.search_yaml).get("settings", {})
    tracking = from_words(SyncSettings, words).tracking or str(asked.get("tracking", ""))
    if tracking == "none":
        raise GeotuneError(f"{run}: its results go nowhere (tracking=none)", "say where to, as in tracking=http://…")
    if tracking:
        check_uri(tracking)
    place = shown(tracking or store_uri(folder.path.parent))
    unfinished = None if is_running(folder) else "KILLED"  # nobody is at work on what has no end
    try:
        sent = Sender(folder.path, tracking).sync(unfinished, wait_seconds=60)
    except GeotuneError:
        raise
    except Exception as error:  # whatever MLflow raises
        hint = "nothing is lost: try again when it answers"
        raise GeotuneError(f"MLflow ({place}) does not take the results: {shown(reason(error))}", hint) from None
    if sent is None:
        raise GeotuneError(f"{run}: another geotune is sending its results", "wait for it")
    if not (sent.values or sent.trials):
        click.echo(f"everything stands in MLflow already ({place})")
        return
    click.echo(f"sent {sent.values:,} values, the rest of {sent.trials:,} trials, to MLflow ({place})")
