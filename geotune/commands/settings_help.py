"""A click command that takes `key=value` words and lists every setting in its `--help`."""

import importlib
from typing import Any

import click

from geotune.config import Setting, settings_of


class SettingsCommand(click.Command):
    """A command whose `settings` name Settings classes as "module:Class[:Title]"; they are loaded for help only."""

    settings: tuple[str, ...] = ()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        shown: set[str] = set()
        for path in self.settings:
            module, name, title = (path + ":Settings").split(":")[:3]
            cls = getattr(importlib.import_module(module), name)
            groups: dict[str, list[Setting]] = {}
            for setting in settings_of(cls):
                if setting.key not in shown:
                    groups.setdefault(setting.key.rpartition(".")[0], []).append(setting)
            shown |= {setting.key for setting in settings_of(cls)}
            for group, members in groups.items():
                with formatter.section(f"{title} {group}.*" if group else title):
                    formatter.write_dl([(_left(setting), _right(setting)) for setting in members])


def _left(setting: Setting) -> str:
    return f"{setting.key}={_text(setting.default)}"


def _right(setting: Setting) -> str:
    owner = f" [{setting.owner}]" if setting.owner and not setting.key.endswith(".name") else ""
    return f"{setting.doc} ({setting.kind.removesuffix(' | null')}){owner}".strip()


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(str, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)
