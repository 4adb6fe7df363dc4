"""A backbone in two: both parts together are the backbone, in every family whose stages are a chain."""

import pytest
import torch

from geotune.model.backbone import Backbone
from geotune.model.cut import cut

CHAINS = [
    "resnet18",
    "seresnet18",
    "convnext_atto",
    "tf_efficientnet_lite0",
    "regnetx_002",
    "mobilenetv3_small_050",
    "ghostnet_050",
    "densenet121",
    "dla34",
    "edgenext_xx_small",
    "poolformer_s12",
    "pvt_v2_b0",
    "vit_tiny_patch16_224",
]


def built(name: str, size: int = 64, frozen: int = 4, features: str = "last") -> Backbone:
    torch.manual_seed(0)
    return Backbone(name, None, features=features, sizes=[size], frozen_layers=frozen).eval()  # type: ignore[arg-type]


def photos(count: int, size: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", CHAINS)
def test_both_parts_are_the_backbone(name):
    backbone = built(name)
    made = cut(backbone, [64])
    assert made is not None
    seen = photos(3, 64)
    rows = made.front(seen)
    assert rows.shape == (3, made.forms[64].width)
    assert not rows.requires_grad
    with torch.no_grad():
        assert torch.equal(made.rest(rows, 64), backbone(seen))


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "tf_efficientnet_lite0", "test_resnet"])
def test_with_the_stages_before(name):
    """The stage in front of the cut's is pooled and kept beside the map."""
    backbone = built(name, features="stages")
    made = cut(backbone, [64])
    assert made is not None
    assert made.forms[64].pooled > 0
    seen = photos(2, 64)
    with torch.no_grad():
        assert torch.equal(made.rest(made.front(seen), 64), backbone(seen))


def test_two_parts_that_are_not_quite_the_backbone_are_refused():
    backbone = built("resnet18")
    assert cut(backbone, [64]) is not None
    backbone.register_forward_hook(lambda module, given, out: out * 1.001)  # what neither part knows of
    assert cut(backbone, [64]) is None


def test_they_learn_the_same():
    """In training mode: one loss, one gradient for the shared weights, one running average of BatchNorm."""
    seen = photos(8, 64)
    gradients, averages = [], []
    for halves in (False, True):
        backbone = built("resnet18")
        made = cut(backbone, [64])
        assert made is not None
        backbone.train()
        out = made.rest(made.front(seen), 64) if halves else backbone(seen)
        out.square().mean().backward()
        gradients.append([w.grad for w in backbone.parameters() if w.requires_grad])
        averages.append(backbone.net.layer4[0].bn1.running_mean.clone())
        assert torch.equal(backbone.net.layer3[0].bn1.running_mean, torch.zeros(256))  # frozen: in eval mode
        assert all(w.grad is None for w in backbone.parameters() if not w.requires_grad)
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))
    assert torch.equal(*averages)
    assert averages[0].any()


def test_it_follows_the_backbones_mode():
    """What the rest itself asks for (dropout in its forward pass) is as the backbone is: its copies are no others."""
    backbone = built("tf_efficientnet_lite0")
    backbone.net.drop_rate = 0.5
    made = cut(backbone, [64])
    assert made is not None
    rows = made.front(photos(2, 64))
    backbone.eval()
    assert torch.equal(made.rest(rows, 64), made.rest(rows, 64))


def test_several_sizes():
    backbone = Backbone("test_resnet", None, sizes=[32, 64], frozen_layers=4).eval()
    made = cut(backbone, [32, 64])
    assert made is not None
    assert made.forms[64].width == 4 * made.forms[32].width


@pytest.mark.parametrize("frozen", [0, 1, 3, 5])
def test_only_where_the_last_stage_alone_is_trained(frozen):
    """With less frozen the maps are as large as photos, and the part that is saved is small."""
    assert cut(built("test_resnet", frozen=frozen), [64]) is None


def test_where_the_parts_would_not_be_the_whole_there_is_none():
    """levit's maps become rows of other shapes between the stages."""
    assert cut(built("levit_128s", 224), [224]) is None


def test_the_mode_is_put_back():
    backbone = built("test_resnet").train()
    cut(backbone, [64])
    assert backbone.training
    assert backbone.net.layer4.training
    assert not backbone.net.layer1.training
