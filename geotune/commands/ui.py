"""`geotune ui`: the MLflow pages of a runs folder, in a browser on this machine."""

import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

import click

from geotune.commands.settings_help import SettingsCommand
from geotune.config import Settings, from_words
from geotune.errors import GeotuneError


class UiSettings(Settings):
    """What `geotune ui` shows."""

    runs: Path = Path("runs")
    """Folder of the runs."""


class UiCommand(SettingsCommand):
    settings = ("geotune.commands.ui:UiSettings",)


@click.command("ui", cls=UiCommand)
@click.argument("words", nargs=-1, metavar="[runs=DIR]")
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Port to listen on.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0: all, unprotected.")
def command(words: tuple[str, ...], port: int, host: str) -> None:
    """Open the MLflow pages of your runs: compare trials, settings and learning curves in a browser.

    \b
    geotune ui
    geotune ui runs=/data/runs --port 5001
    """
    for word in words:
        name, _, value = word.partition("=")
        if name in ("port", "host"):
            raise GeotuneError(f"{word}: {name} is an option", f"say it as --{name} {value}")
    runs = from_words(UiSettings, words, lambda word: f"runs={word}" if Path(word).is_dir() else "").runs
    if not (runs / "mlflow.db").is_file():
        raise GeotuneError(
            f"runs={runs}: no MLflow store there yet (mlflow.db)",
            "it comes with the first search, as in geotune search space=demo; name another folder with runs=DIR",
        )
    from geotune.track.mlflow import store_uri
    from geotune.track.sender import catch_up
    from geotune.track.server import serve, stop

    with tempfile.TemporaryFile() as log:
        for sign in (signal.SIGTERM, signal.SIGHUP):  # the server must not outlive us when the terminal is closed
            signal.signal(sign, signal.default_int_handler)
        server = serve(store_uri(runs), port, host, artifacts=runs / "mlartifacts", log=log)
        try:
            click.echo("Starting MLflow, some ten seconds …")
            failed = catch_up(runs)
            if failed:
                click.echo(f"Not brought up to date: {', '.join(failed)}", err=True)
            _await_answer(server, host, port)
            shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
            click.echo(f"MLflow shows {runs} at http://{f'[{shown}]' if ':' in shown else shown}:{port}")
            if host in ("0.0.0.0", "::"):
                click.echo("Everyone who can reach this machine can read and change it: MLflow asks for no password.")
            click.echo("Ctrl-C ends it.")
            server.wait()
        except KeyboardInterrupt:
            click.echo("\nMLflow ended; the runs are kept.")
            return
        finally:
            stop(server)
        raise GeotuneError("MLflow's server ended by itself", _tail(log))


def _await_answer(server: "subprocess.Popen[bytes]", host: str, port: int, seconds: float = 180.0) -> None:
    from geotune.track.server import answers

    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    deadline = time.monotonic() + seconds
    while server.poll() is None and not answers(shown, port):
        if time.monotonic() > deadline:
            raise GeotuneError(f"MLflow's server did not answer within {seconds:.0f} s", "start geotune ui again")
        time.sleep(0.2)


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    return "\n  ".join(["it said:", *lines[-5:]])
