"""Sources of every kind, made on the spot."""

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def archive(tmp_path: Path) -> Callable[..., Path]:
    """`archive({name: bytes or a JSON value}, file)` -> a tar archive of these files."""

    def make(files: Mapping[str, Any], file: str = "photos.tar") -> Path:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w" if file.endswith(".tar") else "w:gz") as tar:
            for name, content in files.items():
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        return path

    return make
