"""What was asked of a search, as others may read it: reports and MLflow are passed on, passwords are not."""

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "(not shown)"
"""Stands for a command, which may hold the key to a chat or a mailbox."""


def shown(uri: str) -> str:
    """A URI, or a text with some, without the user and password that it may hold."""
    bare = re.sub(r"//[^/\s]*@", "//", uri)
    return re.sub(r"([?&](?:password|passwd|pwd|token)=)[^&\s]*", r"\1", bare, flags=re.IGNORECASE)


def public(asked: Mapping[str, Any]) -> dict[str, Any]:
    """search.yaml's content without what may be a secret: of `tracking` the password, of `notify` the command."""
    found = dict(asked)
    if isinstance(settings := found.get("settings"), Mapping):
        found["settings"] = {key: _public(key, value) for key, value in settings.items()}
    if isinstance(words := found.get("words"), list):
        parts = [str(word).partition("=") for word in words]
        found["words"] = [f"{key}{sign}{_public(key, value)}" for key, sign, value in parts]
    return found


def _public(key: str, value: Any) -> Any:
    if not value or key not in ("tracking", "notify"):
        return value
    return HIDDEN if key == "notify" else shown(str(value))
