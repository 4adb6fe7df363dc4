"""What a device says when its memory has run out: recognised, and told in plain words with the bytes."""

import math
import re
from pathlib import Path

import torch

_SIGNS = (
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
    "MPS backend out of memory",
    "CUDA error: out of memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
)
_AMOUNT = r"([\d.]+ ?(?:[KMGT]i?B|bytes))"
_ASKED = re.compile(r"tried to allocate " + _AMOUNT, re.IGNORECASE)
_THERE = (
    # CUDA: "GPU 0 has a total capacity of 79.19 GiB of which 1.20 GiB is free. … 7.92 GiB allowed"
    (re.compile(_AMOUNT + r" allowed"), "{} is this trial's share of the GPU"),
    (re.compile(r"of which " + _AMOUNT + " is free"), "{} of the GPU's memory was free"),
    (re.compile(r"max allowed: " + _AMOUNT), "{} is all that the GPU may give"),
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a GPU's or the CPU's allocator had nothing left to give."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and any(sign in text for sign in _SIGNS)


def amounts(error_text: str) -> str:
    """What an allocator's message says of the bytes, in brackets behind a blank: what was asked for and what was there.

    "" where it says nothing of them.
    """
    asked = _ASKED.search(error_text)
    told = [f"{_binary(asked[1])} more was asked for"] if asked else []
    for pattern, words in _THERE:
        if there := pattern.search(error_text):
            told.append(words.format(_binary(there[1])))
    if told and "DefaultCPUAllocator" in error_text and (free := _free_bytes()):
        told.append(f"{_binary(f'{free} bytes')} was free")
    return f" ({', '.join(told)})" if told else ""


def _binary(amount: str) -> str:
    """`amount` as an allocator writes it; a CPU's plain bytes in the unit that a reader would choose."""
    if not amount.endswith("bytes"):
        return amount
    number = float(amount.removesuffix("bytes"))
    power = min(4, int(math.log2(number) // 10)) if number else 0
    return f"{number / 1024**power:.2f} {('bytes', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"


def _free_bytes() -> int | None:
    """What the machine's memory still has; None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
