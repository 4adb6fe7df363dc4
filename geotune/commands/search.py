"""`geotune search`: from a space and a dataset to the exported winner; alone, it lists the spaces."""

import shutil

import click

from geotune.commands.settings_help import SettingsCommand
from geotune.errors import GeotuneError


class SearchCommand(SettingsCommand):
    settings = (
        "geotune.record.plan:SearchSettings:Settings of the search",
        "geotune.train.settings:TrainConfig:Settings of every trial",
    )


@click.command("search", cls=SearchCommand)
@click.argument("words", nargs=-1, metavar="[space=NAME] [data=DIR] [KEY=VALUE]...")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Check everything, print the forecast, first trials and where each setting comes from; start nothing.",
)
def command(words: tuple[str, ...], dry_run: bool) -> None:
    """Search for the best way to train on your photos, then train it in full and test it once.

    Without arguments: list the search spaces with the question that each answers.

    \b
    geotune search space=demo
    geotune search space=img2gps data=data/campus time=8h
    geotune search space=img2gps data=data/campus model.backbone=resnet50   # fixed, not searched
    geotune search space=img2gps data=data/campus full.train.epochs=100     # for the full training only

    Ctrl-C keeps everything; `geotune resume` goes on, `geotune finish` takes the best so far.
    """
    if not words:
        _list_spaces()
        return
    from pathlib import Path

    from geotune.record.library import shipped

    for word in words:
        if word in shipped():
            raise GeotuneError(f"{word}: expected key=value", f"did you mean space={word}?")

    from geotune.record.folder import RunFolder
    from geotune.search.prepare import pinned, prepare

    plan, dataset = prepare(list(words))
    for line in pinned(plan):
        click.echo(line)
    if dry_run:
        from geotune.commands.conduct import terminal
        from geotune.search.dry_run import show_dry_run

        show_dry_run(plan, dataset, terminal())
        return
    from geotune.commands.conduct import conduct
    from geotune.search.spending import clock_of

    run = RunFolder.create(Path(plan.settings.runs), plan.space.name)
    try:
        plan.write(run)
        conduct(run, clock_of(run, plan))
    except GeotuneError:
        if not any(run.trials()):  # refused before its first trial: nothing half-made stays
            shutil.rmtree(run.path, ignore_errors=True)
        raise


def _list_spaces() -> None:
    from geotune.record.library import question, shipped

    for name, path in shipped().items():
        click.echo(f"{click.style(name, bold=True):<14} {question(path)}")
    click.echo("\ngeotune search space=NAME data=DIR   (geotune search --help for all settings)")
