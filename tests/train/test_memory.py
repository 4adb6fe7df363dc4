"""Micro-batches: what they cover, and how they shrink."""

import pytest
import torch

from geotune.train.memory import MicroBatch, first_guess, is_out_of_memory, within_memory
from geotune.train.outcomes import Infeasible


@pytest.mark.parametrize("photos", [1, 2, 31, 32, 33, 64, 65])
@pytest.mark.parametrize("size", [1, 2, 32])
def test_parts_cover_all_photos_once_and_evenly(photos, size):
    parts = list(MicroBatch(size).parts(photos))
    assert [i for part in parts for i in range(photos)[part]] == list(range(photos))
    lengths = [part.stop - part.start for part in parts]
    assert max(lengths) <= size
    assert max(lengths) - min(lengths) <= 1


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


def test_not_even_one_photo():
    def work() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(Infeasible, match="single photo"):
        within_memory(MicroBatch(8), work)


def test_other_errors_pass():
    def work() -> None:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        within_memory(MicroBatch(8), work)


def test_a_cpu_without_memory_is_recognised():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_first_guess():
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert first_guess("auto", 1024, cpu).size == 32
    assert first_guess("auto", 8, cpu).size == 8
    assert first_guess("auto", 1024, cuda).size == 1024
    assert first_guess(4, 64, cuda).size == 4
