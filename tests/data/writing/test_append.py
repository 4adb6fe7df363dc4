"""Adding across disks; the rest stands in tests/data/importing/test_extend.py."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from geotune.data.dataset import open_dataset
from geotune.data.importing.extend import add_photos
from geotune.data.importing.importer import ImportSettings, import_photos
from geotune.data.sources.kinds import source_of


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another disk."""
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has no second disk")
    with tempfile.TemporaryDirectory(dir=shm) as made:
        yield Path(made)


def test_a_dataset_behind_a_link_to_another_disk(tmp_path: Path, elsewhere: Path, jpeg: Callable[..., bytes]) -> None:
    for name, numbers in (("a", range(12)), ("b", range(12, 18))):
        (tmp_path / name).mkdir()
        lines = ["file,latitude,longitude"]
        for i in numbers:
            (tmp_path / name / f"{i}.jpg").write_bytes(jpeg(i))
            lines.append(f"{i}.jpg,{52 + i / 100},0.1")
        (tmp_path / name / "labels.csv").write_text("\n".join(lines))
    town = tmp_path / "town"
    town.symlink_to(elsewhere)
    import_photos(ImportSettings(source=source_of(tmp_path / "a" / "labels.csv")), town)
    add_photos(source_of(tmp_path / "b" / "labels.csv"), town)
    new = open_dataset(town)
    assert sum(new.counts.values()) == 18
    assert all(new.split(name).photo(i) for name in new.counts for i in range(new.counts[name]))
    assert not list(elsewhere.rglob(".*"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "town"]
