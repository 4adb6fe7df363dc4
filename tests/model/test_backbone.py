"""`frozen_layers` and `features` mean the same for every family; frozen parts do not move, photo sizes are checked."""

import pytest
import torch
from torch import nn

from geotune.errors import GeotuneError
from geotune.model.backbone import Backbone, normalised
from geotune.model.stages import stages_of

FAMILIES = {  # of different kinds, and a photo size that each takes; test_families.py looks at more of them
    "resnet18": 64,
    "tf_efficientnet_lite0": 64,
    "mobilenetv4_conv_small": 64,
    "vit_tiny_patch16_224": 64,
    "levit_128s": 224,
    "twins_svt_small": 64,
}


def backbone(name: str, **settings: object) -> Backbone:
    torch.manual_seed(0)
    return Backbone(name, None, sizes=[FAMILIES.get(name, 64)], **settings)  # type: ignore[arg-type]


def photos(count: int, size: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8, generator=torch.manual_seed(1))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_frozen_stage_depends_on_nothing_that_is_trained(name: str) -> None:
    """Whatever training does to the trainable weights, what frozen stages compute stays; what follows changes."""
    x = torch.randn(1, 3, FAMILIES[name], FAMILIES[name])
    levels = stages_of(backbone(name).net).levels
    for frozen_layers in (2, 4):
        made = backbone(name, frozen_layers=frozen_layers).eval()
        before = outputs(made, x, levels)
        with torch.no_grad():
            for parameter in made.parameters():
                if parameter.requires_grad:
                    parameter += 0.5 * torch.randn_like(parameter)
        after = outputs(made, x, levels)
        kept = frozen_layers - 1 - (4 - len(levels))  # the stages after the stem, less those that the family lacks
        same = [torch.equal(one, other) for one, other in zip(before, after, strict=True)]
        assert same == [True] * kept + [False] * (len(levels) - kept)


def outputs(made: Backbone, x: torch.Tensor, levels: list[int]) -> list[torch.Tensor]:
    net = made.net
    with torch.no_grad():
        return net.forward_intermediates(x, indices=levels, intermediates_only=True, output_fmt="NCHW")  # type: ignore[no-any-return,operator]


@pytest.mark.parametrize("frozen_layers", [0, 3, 5])
def test_training_moves_what_is_trained_and_no_statistic_of_what_is_frozen(frozen_layers: int) -> None:
    made = backbone("resnet18", frozen_layers=frozen_layers).train()
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    head = nn.Linear(512, 1)
    trained = [p for p in [*made.parameters(), *head.parameters()] if p.requires_grad]
    head(made(photos(4, 64))).square().mean().backward()
    torch.optim.SGD(trained, lr=0.1).step()
    changed = {name for name, tensor in made.state_dict().items() if not torch.equal(tensor, before[name])}
    frozen_prefixes = {0: (), 3: ("net.conv1", "net.bn1", "net.layer1", "net.layer2"), 5: ("net.",)}[frozen_layers]
    assert not any(name.startswith(frozen_prefixes) for name in changed if frozen_prefixes)
    assert any("layer4" in name for name in changed) == (frozen_layers < 5)
    assert ("net.bn1.running_mean" in changed) == (frozen_layers == 0)


def test_a_wholly_frozen_backbone_gives_features_without_a_graph() -> None:
    made = backbone("resnet18", frozen_layers=5).train()
    assert not made(photos(2, 64)).requires_grad
    assert not any(module.training for module in made.modules())


@pytest.mark.parametrize("name", FAMILIES)
def test_stages_put_two_earlier_stages_in_front_of_the_pooled_last(name: str) -> None:
    last, stages = backbone(name), backbone(name, features="stages")
    size = FAMILIES[name]
    assert stages.widths[size] > last.widths[size]
    with torch.no_grad():
        from_last, from_stages = last.eval()(photos(1, size)), stages.eval()(photos(1, size))
    assert from_last.shape == (1, last.widths[size])
    torch.testing.assert_close(from_stages[:, -last.widths[size] :], from_last, rtol=1e-4, atol=1e-5)


def test_photos_are_normalised_as_timm_does() -> None:
    made = backbone("resnet18").eval()
    images = photos(2, 64)
    mean, std = (torch.tensor(made.net.pretrained_cfg[key]) for key in ("mean", "std"))  # type: ignore[index]
    expected = made.net(((images / 255 - mean) / std).permute(0, 3, 1, 2))
    torch.testing.assert_close(made(images), expected, rtol=1e-4, atol=1e-5)


def test_normalising_leaves_the_photos_as_they_are() -> None:
    mean, std = torch.rand(3, 1, 1) * 255, torch.rand(3, 1, 1) * 255
    for images in (photos(3, 20), photos(3, 20).float(), photos(3, 20)[:, :, 3:17]):
        before = images.clone()
        found = normalised(images, mean, std)
        assert torch.equal(images, before)
        assert torch.equal(found, (images.permute(0, 3, 1, 2).float() - mean) / std)
        assert found.is_contiguous(memory_format=torch.channels_last)


def test_a_vit_takes_one_other_size_or_several() -> None:
    torch.manual_seed(0)
    assert set(Backbone("test_vit", None, sizes=[64]).widths) == {64}
    assert set(Backbone("test_vit", None, sizes=[64, 96]).widths) == {64, 96}


@pytest.mark.parametrize(("name", "sizes"), [("mixer_s32_224", [224, 96]), ("inception_v3", [40])])
def test_a_size_that_it_cannot_take_is_refused_with_its_own(name: str, sizes: list[int]) -> None:
    with pytest.raises(GeotuneError, match=f"input.sizes={', '.join(map(str, sizes))}: {name} cannot") as raised:
        Backbone(name, None, sizes=sizes)
    assert "input.sizes=2" in raised.value.hint  # 224 and 299


@pytest.mark.parametrize(
    ("name", "settings", "text"),
    [
        ("resnet18", {}, "resnet18, nothing frozen"),
        ("resnet18", {"frozen_layers": 1}, "resnet18, 1 of 5 parts frozen (the stem)"),
        ("resnet18", {"frozen_layers": 3}, "resnet18, 3 of 5 parts frozen (up to layer2)"),
        ("levit_128s", {"frozen_layers": 2}, "levit_128s, 2 of 5 parts frozen (the stem)"),
        ("levit_128s", {"frozen_layers": 3}, "levit_128s, 3 of 5 parts frozen (up to stages.0)"),
        ("test_vit", {"frozen_layers": 5}, "test_vit, all frozen"),
    ],
)
def test_what_is_frozen_is_said(name: str, settings: dict[str, int], text: str) -> None:
    assert backbone(name, **settings).described() == text
