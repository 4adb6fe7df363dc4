"""Micro-batches: what they cover, where they begin, how they shrink, and what is said when they cannot."""

import pytest
import torch

from geotune.data.dataset import open_dataset
from geotune.train.memory import MicroBatch, in_parts, plain_portion, training_portion, within_memory
from geotune.train.outcomes import Infeasible
from geotune.train.run import build_model


@pytest.mark.parametrize("photos", [1, 2, 31, 32, 33, 64, 65])
@pytest.mark.parametrize("size", [1, 2, 32])
def test_parts_cover_all_photos_once_and_evenly(photos, size):
    parts = list(MicroBatch(size).parts(photos))
    assert [i for part in parts for i in range(photos)[part]] == list(range(photos))
    lengths = [part.stop - part.start for part in parts]
    assert max(lengths) <= size
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("size", [4, 5, 32])
def test_no_group_of_a_batchnorm_is_a_single_photo(size):
    for photos in range(2, 200):
        assert min(part.stop - part.start for part in MicroBatch(size, fixed=True).parts(photos)) > 1


def test_memory_that_holds_five_photos():
    micro, tried = MicroBatch(64), []

    def work(photos: int) -> str:
        tried.append(micro.size)
        for part in micro.parts(photos):
            if part.stop - part.start > 5:
                raise torch.OutOfMemoryError("CUDA out of memory")
        return "done"

    assert within_memory(micro, work, 64) == "done"
    assert tried == [64, 32, 16, 8, 4]
    assert within_memory(micro, work, 64) == "done"
    assert tried[5:] == [4]  # it remembers


@pytest.mark.parametrize(
    ("micro", "told"),
    [
        (MicroBatch(8), r"out of memory with a single photo at a time \(3.00 GiB more was asked for\): take a smaller"),
        (
            MicroBatch(8, fixed=True),
            r"with 8 photos, over which BatchNorm .* \(3.00 GiB .*: set train.norm_batch below 8",
        ),
    ],
)
def test_what_cannot_fit(micro, told):
    def work() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 GiB.")

    with pytest.raises(Infeasible, match=told):
        within_memory(micro, work)


def test_a_fixed_portion_is_tried_once_more_and_never_cut():
    micro, tried = MicroBatch(8, fixed=True), []

    def work() -> str:
        tried.append(micro.size)
        if len(tried) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return "done"

    assert within_memory(micro, work) == "done"
    assert tried == [8, 8]


def test_other_errors_pass():
    def work() -> None:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        within_memory(MicroBatch(8), work)


def test_rows_in_parts():
    rows, seen = torch.arange(10.0), []

    def forward(part: torch.Tensor) -> torch.Tensor:
        seen.append(len(part))
        return part * 2

    assert torch.equal(in_parts(MicroBatch(4), forward, rows), rows * 2)
    assert seen == [3, 3, 4]


@pytest.mark.parametrize(
    ("changes", "batch", "size", "fixed"),
    [
        ({}, 1024, 32, True),  # BatchNorm: its groups
        ({"train.norm_batch": 100}, 1024, 100, True),
        ({"train.micro_batch": 4}, 1024, 32, True),
        ({}, 8, 8, True),
        ({"model.backbone": "test_vit"}, 1024, 32, False),  # what a CPU takes at once
        ({"model.backbone": "test_vit"}, 8, 8, False),
        ({"model.backbone": "test_vit", "train.micro_batch": 100}, 1024, 100, False),
        ({"model.backbone": "test_vit", "train.micro_batch": 100}, 64, 64, False),
    ],
)
def test_where_training_begins(config, region, changes, batch, size, fixed):
    settings = config(**{"input.sizes": 64} | changes)
    micro = training_portion(build_model(settings, open_dataset(region)), settings, batch)
    assert (micro.size, micro.fixed) == (size, fixed)


def test_what_failed_before_is_not_tried_again(config, region, tmp_path, monkeypatch):
    monkeypatch.setenv("GEOTUNE_CACHE", str(tmp_path))
    settings = config(**{"model.backbone": "test_vit", "input.sizes": 64})
    model = build_model(settings, open_dataset(region))

    def found() -> tuple[int, int]:
        return training_portion(model, settings, 32).size, plain_portion(model, settings, 64).size

    assert found() == (32, 64)
    micro = training_portion(model, settings, 32)
    micro.shrink()
    micro.fitted(32)
    assert found() == (16, 64)
    plain_portion(model, settings, 64).shrink()
    assert found() == (16, 32)
