"""Devices: a share of a GPU, and steps that are skipped where they are no finite numbers."""

import copy

import pytest
import torch
from torch import nn

from geotune.train import device
from geotune.train.device import CONTEXT_BYTES, Precision, allowance, hold, seed_everything, share

CPU = torch.device("cpu")


@pytest.mark.parametrize(("gpus", "held"), [(0.25, 0.25), (1, 1), (2, 1), (0, 1)])
def test_a_share(gpus, held):
    try:
        hold(gpus)
        assert share() == held
    finally:
        hold(1)
    assert share() == 1


def test_the_context_is_taken_off_a_share():
    total = 80 << 30
    assert allowance(1, total) == 1
    assert allowance(0.5, total) == pytest.approx(0.5 - CONTEXT_BYTES / total)
    assert 4 * (allowance(0.25, total) * total + CONTEXT_BYTES) == pytest.approx(total)
    assert allowance(0.1, 4 << 30) == 0.05  # of a small GPU at least half of it


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_share_is_the_most_that_can_be_had():
    total = torch.cuda.get_device_properties(0).total_memory
    try:
        hold(0.25)
        with pytest.raises(torch.OutOfMemoryError):
            torch.empty(int(0.26 * total), dtype=torch.uint8, device="cuda")
        torch.empty(int(0.1 * total), dtype=torch.uint8, device="cuda")
    finally:
        hold(1)
    torch.empty(int(0.5 * total), dtype=torch.uint8, device="cuda")
    torch.cuda.empty_cache()


def test_seeds():
    seed_everything(3, CPU)
    first = torch.rand(4)
    seed_everything(3, CPU)
    assert torch.equal(first, torch.rand(4))


OPTIMISERS = {
    "fused": lambda weights: torch.optim.AdamW(weights, fused=True),
    "plain": lambda weights: torch.optim.AdamW(weights, fused=False),
    "sgd": lambda weights: torch.optim.SGD(weights, momentum=0.9),
}


@pytest.mark.parametrize("clip", [0, 1.0])
@pytest.mark.parametrize("broken", ["loss", "gradient"])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_what_is_not_finite_is_skipped(name, broken, clip):
    """Weights, averages and the count of steps are those of a run that never saw it."""
    torch.manual_seed(0)
    net = nn.Linear(3, 2)
    optimizer, precision = OPTIMISERS[name](net.parameters()), Precision("float32", CPU)

    def step(bad: bool) -> bool:
        optimizer.zero_grad()
        loss = net(torch.ones(4, 3)).square().mean()
        precision.backward(loss)
        if bad and broken == "gradient":
            net.bias.grad[0] = float("inf")
        if bad and broken == "loss":
            loss = loss * float("nan")
        return bool(precision.step(optimizer, clip, loss.detach()))

    assert step(False)
    weights, state = copy.deepcopy(net.state_dict()), copy.deepcopy(optimizer.state_dict())
    assert not step(True)
    assert all(torch.equal(tensor, weights[key]) for key, tensor in net.state_dict().items())
    for number, kept in optimizer.state_dict()["state"].items():
        assert all(torch.equal(tensor, state["state"][number][key]) for key, tensor in kept.items())
    assert step(False)
    assert all(torch.isfinite(tensor).all() for tensor in net.state_dict().values())
    assert not torch.equal(net.weight, weights["weight"])


@pytest.mark.parametrize("clip", [0, 0.1, 1e9])
def test_clipping(clip):
    net = nn.Linear(3, 2)
    loss = 100 * net(torch.ones(4, 3)).sum()
    loss.backward()
    before = torch.nn.utils.get_total_norm([w.grad for w in net.parameters()])
    Precision("float32", CPU).step(torch.optim.SGD(net.parameters(), lr=1.0), clip, loss.detach())
    after = torch.nn.utils.get_total_norm([w.grad for w in net.parameters()])
    assert float(after) == pytest.approx(clip if clip == 0.1 else float(before), rel=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_float16_lowers_its_scale_and_counts_nothing():
    cuda = torch.device("cuda")
    net = nn.Linear(3, 2).to(cuda)
    optimizer, precision = torch.optim.AdamW(net.parameters()), Precision("float16", cuda)
    loss = net(torch.ones(4, 3, device=cuda)).mean()
    precision.backward(loss)
    net.weight.grad[0, 0] = float("inf")
    before = precision.scaler.get_scale()
    assert bool(precision.step(optimizer, 1.0, loss.detach()))
    assert precision.scaler.get_scale() < before


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA may be in use already")
def test_memory_in_pages(monkeypatch):
    """What a user has set stands."""
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "")  # to be as before afterwards
    monkeypatch.delenv("PYTORCH_CUDA_ALLOC_CONF")
    monkeypatch.setattr("sys.platform", "linux")
    device._prepare_cuda()
    assert device.os.environ["PYTORCH_CUDA_ALLOC_CONF"] == "expandable_segments:True"
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "max_split_size_mb:128")
    device._prepare_cuda()
    assert device.os.environ["PYTORCH_CUDA_ALLOC_CONF"] == "max_split_size_mb:128"
