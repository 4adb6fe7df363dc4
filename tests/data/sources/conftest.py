"""Sources of every kind, made on the spot."""

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image


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


@pytest.fixture
def phone_jpeg() -> bytes:
    """A photo at 52.5, 13 whose EXIF says time, heading, GPS error and camera."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker", "Phone"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 0.0), 3: "E", 4: (13.0, 0.0, 0.0), 17: 90.0, 31: 4.5})
    exif[0x8825] = exif.get_ifd(0x8825)
    exif.get_ifd(0x8769).update({0x9003: "2024:06:01 15:00:30", 0x9011: "+00:00"})
    exif[0x8769] = exif.get_ifd(0x8769)
    stored = io.BytesIO()
    Image.new("RGB", (64, 48), "green").save(stored, "JPEG", exif=exif)
    return stored.getvalue()
