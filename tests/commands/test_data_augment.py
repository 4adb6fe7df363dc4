"""`geotune data augment`: the list and the picture."""

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from geotune.data.augment import POLICIES


@pytest.fixture
def shown(geotune):
    """`shown(*words)` -> exit code, stdout, stderr of `geotune data augment`."""
    return partial(geotune, "data", "augment")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "street.jpg"), cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC))
    return tmp_path / "street.jpg"


def test_every_policy_is_listed_with_what_it_does(shown):
    code, out, _ = shown()
    assert code == 0
    for name, (doc, _) in POLICIES.items():
        assert f"{name:<8} {doc}" in out
    assert "tilted by up to so many degrees; 70% of the photos" in out
    assert "mirrored" not in out
    assert "input.augment=campus" in out


def test_one_policy_with_its_strengths_scaled(shown):
    code, out, _ = shown("--policy", "campus", "--strength", "0.5", "--mirror")
    assert code == 0
    assert "rotate       4 " in out
    assert "half of the photos are mirrored" in out
    assert "world " not in out


@pytest.mark.parametrize("fused", [[], ["--fused"]])
def test_a_photo_is_drawn(shown, photo, tmp_path, fused):
    sheet = tmp_path / "views.png"
    code, out, _ = shown(photo, sheet, "--size", 48, "--views", 3, *fused)
    assert code == 0
    assert str(sheet) in out
    picture = cv2.imread(str(sheet))
    assert picture.shape == (len(POLICIES) * 70 + 4, 4 * 52 + 4, 3)
    original = picture[22 : 22 + 48, 4 : 4 + 48].astype(int)
    none, strong = picture[22 : 22 + 48, 56 : 56 + 48], picture[22 + 280 : 22 + 328, 56 : 56 + 48]
    assert (none == original).all()
    assert np.abs(strong - original).mean() > 5
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["street.jpg", "views.png"]


def test_mistakes_are_said(shown, photo, tmp_path):
    for words, text in (
        (["--policy", "flip"], "take one of none, light, campus, world, strong"),
        ([photo], "no file is named for the picture"),
        ([tmp_path / "none.jpg", tmp_path / "x.png"], "No such file"),
        ([photo, tmp_path / "x.txt"], "end it in .png"),
        ([photo, tmp_path / "no" / "x.png"], "cannot be written"),
        ([tmp_path, tmp_path / "x.png"], "Is a directory"),
        ([photo, photo], "nothing is overwritten"),
    ):
        code, _, err = shown(*words)
        assert code == 2
        assert text in err
    (tmp_path / "text.jpg").write_text("no picture at all")
    code, _, err = shown(tmp_path / "text.jpg", tmp_path / "x.png")
    assert code == 2
    assert "no picture" in err
