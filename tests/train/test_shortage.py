"""Out of memory: told from other errors, and said with the bytes."""

import pytest
import torch

from geotune.train.shortage import amounts, is_out_of_memory

CUDA = (
    "CUDA out of memory. Tried to allocate 2.25 GiB. GPU 0 has a total capacity of 79.19 GiB of which 1.20 GiB is "
    "free. Including non-PyTorch memory, this process has 7.50 GiB memory in use. 7.92 GiB allowed; Of the allocated "
    "memory 6.80 GiB is allocated by PyTorch, and 56.04 MiB is reserved by PyTorch but unallocated."
)
MPS = (
    "MPS backend out of memory (MPS allocated: 17.98 GiB, max allowed: 18.13 GiB). "
    "Tried to allocate 256.00 MiB on private pool."
)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            CUDA,
            " (2.25 GiB more was asked for, 7.92 GiB is this trial's share of the GPU, "
            "1.20 GiB of the GPU's memory was free)",
        ),
        (
            CUDA.replace("7.92 GiB allowed; ", ""),
            " (2.25 GiB more was asked for, 1.20 GiB of the GPU's memory was free)",
        ),
        (MPS, " (256.00 MiB more was asked for, 18.13 GiB is all that the GPU may give)"),
        ("CUDA error: out of memory", ""),
    ],
)
def test_the_bytes(message, told):
    assert amounts(message) == told


def test_a_cpu_without_memory():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert amounts(str(caught.value)).startswith(" (1048576.00 TiB more was asked for")


@pytest.mark.parametrize("message", ["CUDA error: out of memory", "cuDNN error: CUDNN_STATUS_ALLOC_FAILED", MPS])
def test_what_libraries_say(message):
    assert is_out_of_memory(RuntimeError(message))


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError(MPS)])
def test_other_errors(error):
    assert not is_out_of_memory(error)
