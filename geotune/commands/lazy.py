"""A click group that loads a command's module only when the command is used: `geotune --help` answers at once."""

import difflib
import importlib
import keyword
from collections.abc import Mapping
from typing import Any

import click


class Lazy(click.Group):
    """A click group whose commands (name -> one line) are imported on use: `command` of PACKAGE.NAME."""

    def __init__(
        self, lines: Mapping[str, str], package: str, below: Mapping[str, str] | None = None, **settings: Any
    ) -> None:
        """`below` names commands that stand one group further down, and where: `{"import": "data import"}`."""
        super().__init__(**settings)
        self.lines, self.package, self.below = lines, package, below or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lines)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lines:
            return None
        module = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command: click.Command = importlib.import_module(f"{self.package}.{module}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in self.below and not ctx.resilient_parsing:
            ctx.fail(f"No such command '{args[0]}'. Did you mean '{ctx.command_path} {self.below[args[0]]}'?")
        near = difflib.get_close_matches(args[0], self.lines, n=1)
        if near and args[0] not in self.lines and not ctx.resilient_parsing:
            ctx.fail(f"No such command '{args[0]}'. Did you mean '{near[0]}'?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.lines.items()))
