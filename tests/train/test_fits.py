"""What fitted, remembered: by what it is known, what it says, and that it never stands in the way."""

import json
import os
from pathlib import Path

import pytest

from geotune.data.dataset import open_dataset
from geotune.train.device import hold
from geotune.train.fits import Fits
from geotune.train.run import build_model


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GEOTUNE_CACHE", str(tmp_path / "cache"))


def fits() -> Fits:
    return Fits({"model": "a"})


def test_nothing_is_known():
    assert fits().start(1024) == 1024


def test_half_of_what_failed():
    fits().failed(512)
    assert [fits().start(most) for most in (2048, 512, 511, 100, 1)] == [256, 256, 511, 100, 1]


def test_what_fitted_of_what_is_known_to_fail():
    fits().failed(1024)
    fits().fitted(700)
    assert [fits().start(most) for most in (1024, 800, 600)] == [700, 800, 600]


def test_a_smaller_one_that_fitted_does_not_hold_a_larger_batch_back():
    fits().fitted(32)
    assert fits().start(1024) == 1024


def test_what_fitted_once_may_fail_later():
    """Something else is on the GPU by now."""
    fits().fitted(512)
    fits().failed(512)
    assert fits().start(1024) == 256
    fits().failed(2)
    fits().failed(1)
    assert fits().start(1024) == 1


def test_what_failed_once_may_fit_later():
    fits().failed(64)
    fits().fitted(64)
    assert fits().start(64) == 64


def test_another_key_knows_nothing_of_it():
    fits().failed(512)
    assert Fits({"model": "b"}).start(512) == 512


@pytest.mark.parametrize("text", ["", "{", "[]", '{"fitted": "x", "failed": 2}', '{"fitted": 3, "failed": -2}'])
def test_a_damaged_file_says_nothing(text):
    fits().failed(512)
    fits().path.write_text(text, encoding="utf-8")
    assert fits().start(512) == 512
    fits().failed(256)
    assert fits().start(512) == 128


def test_the_file_tells_what_it_is_of():
    fits().failed(512)
    assert json.loads(fits().path.read_text()) == {"fitted": 0, "failed": 512, "of": {"model": "a"}}
    assert [path.name for path in fits().path.parent.iterdir()] == [fits().path.name]  # and nothing half written


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "cache").mkdir(mode=0o500)
    fits().failed(512)
    assert fits().start(512) == 512


def test_a_cache_that_is_no_folder(tmp_path):
    (tmp_path / "cache").touch()
    fits().failed(512)
    assert fits().start(512) == 512


BASE = {"model.backbone": "test_vit", "input.sizes": 64}


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"optim.lr": 0.5, "seed": 3, "train.batch_size": 512, "model.head.alpha": 2}, True),
        ({"model.backbone": "test_vit2"}, False),
        ({"input.sizes": 48}, False),
        ({"model.frozen_layers": 2}, False),
        ({"model.head.hidden": 64}, False),
        ({"train.precision": "bfloat16"}, False),
        ({"optim.name": "sgd"}, False),
        ({"train.ema": 0.9}, False),
    ],
)
def test_what_decides(config, region, changes, same):
    def path(settings: dict) -> Path:
        chosen = config(**BASE | settings)
        return Fits.of(build_model(chosen, open_dataset(region)), chosen, gradients=True).path

    assert (path({}) == path(changes)) == same


def test_a_share_of_the_device_and_gradients_decide_too(config, region):
    chosen = config(**BASE)
    model = build_model(chosen, open_dataset(region))
    found = {Fits.of(model, chosen, gradients=gradients).path for gradients in (True, False)}
    hold(0.5)
    try:
        found.add(Fits.of(model, chosen, gradients=True).path)
    finally:
        hold(1)
    assert len(found) == 3
