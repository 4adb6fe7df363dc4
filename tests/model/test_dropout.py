"""Dropout: a photo's mask is the same however its batch is cut, and another one in the next step."""

import pytest
import torch
from timm.layers import DropPath
from torch import nn

from geotune.model.backbone import Backbone
from geotune.model.dropout import BLOCK, Dropout, mixed, portion, swap


def masked(module: nn.Module, x: torch.Tensor, seed: int, cuts: list[int]) -> torch.Tensor:
    """`x` through `module`, in parts that end at `cuts`."""
    found = []
    for start, stop in zip([0, *cuts], [*cuts, len(x)], strict=True):
        with portion(seed, slice(start, stop)):
            found.append(module(x[start:stop]))
    return torch.cat(found)


@pytest.mark.parametrize("shape", [(150, 7), (150, 3, 5), (150, 4, 2, 2)])
@pytest.mark.parametrize("what", ["element", "channel", "photo"])
def test_a_cut_changes_nothing(what, shape):
    x = torch.ones(shape)
    net = nn.Sequential(Dropout(0.4, what), Dropout(0.2, what)).train()
    whole = masked(net, x, 5, [])
    assert not torch.equal(whole, x)
    for cuts in ([75], [1, 2, 3], [BLOCK], [BLOCK - 1, BLOCK + 1], [149]):
        assert torch.equal(masked(net, x, 5, cuts), whole)
    assert not torch.equal(masked(net, x, 6, []), whole)


def test_two_layers_have_masks_of_their_own():
    net = nn.Sequential(Dropout(0.5), Dropout(0.5)).train()
    twice = masked(net, torch.ones(64, 100), 1, [])
    assert 0.2 < float((twice > 0).float().mean()) < 0.3  # not 0.5: the second drops others than the first


def test_the_mean_stays():
    x = torch.ones(4000, 20)
    for what in ("element", "photo"):
        found = masked(Dropout(0.3, what).train(), x, 2, [])
        assert float(found.mean()) == pytest.approx(1, abs=0.03)
        assert found.unique().tolist() == pytest.approx([0, 1 / 0.7])


def test_what_is_dropped_whole():
    x = torch.ones(64, 6, 4, 4)
    channels = masked(Dropout(0.5, "channel").train(), x, 1, [])
    assert torch.equal(channels.amin((2, 3)), channels.amax((2, 3)))
    photos = masked(Dropout(0.5, "photo").train(), x, 1, [])
    assert torch.equal(photos.amin((1, 2, 3)), photos.amax((1, 2, 3)))


def test_windows_of_a_photo_go_with_it():
    """An attention over windows has several rows a photo, one photo's after another's."""
    x = torch.ones(40, 9, 5)
    module = Dropout(0.5).train()

    def windows(photos: torch.Tensor) -> torch.Tensor:
        return module(photos.reshape(-1, 3, 5)).reshape(photos.shape)

    with portion(1, slice(0, 40)):
        whole = windows(x)
    with portion(1, slice(30, 40)):
        assert torch.equal(windows(x[30:]), whole[30:])


def test_outside_a_step_torch_draws():
    module = Dropout(0.5).train()
    torch.manual_seed(0)
    first = module(torch.ones(8, 8))
    assert not torch.equal(first, module(torch.ones(8, 8)))
    torch.manual_seed(0)
    assert torch.equal(first, module(torch.ones(8, 8)))


def test_nothing_is_dropped_in_eval():
    x = torch.ones(4, 4)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0).train()(x) is x


def test_what_a_timm_model_drops_with_is_swapped():
    net = nn.Sequential(nn.Dropout(0.1), nn.Sequential(DropPath(0.2, scale_by_keep=False), nn.Dropout2d(0.3)))
    net.append(nn.Dropout(0.0))
    swapped = [m for m in swap(net).modules() if isinstance(m, Dropout)]
    assert [(m.p, m.what, m.scale) for m in swapped] == [
        (0.1, "element", True),
        (0.2, "photo", False),
        (0.3, "channel", True),
    ]
    assert isinstance(net[2], nn.Dropout)  # drops nothing


def test_a_backbone_that_drops_by_default_does_not_depend_on_the_cut():
    net = Backbone("swin_s3_tiny_224", None, sizes=[64]).train()
    assert any(isinstance(module, Dropout) for module in net.modules())
    photos = torch.randint(0, 256, (4, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        whole, cut = masked(net, photos, 3, []), masked(net, photos, 3, [3])
        other = masked(net, photos, 4, [])
    torch.testing.assert_close(whole, cut, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(whole, other, rtol=1e-3, atol=1e-4)


def test_seeds_differ():
    found = {mixed(a, b, c) for a in range(8) for b in range(8) for c in range(8)}
    assert len(found) == 512
    assert all(0 <= seed < 1 << 63 for seed in found)
