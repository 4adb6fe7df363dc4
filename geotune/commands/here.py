"""Paths as they are shown: from the folder that the user is in, where they lie in it."""

from pathlib import Path


def relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
