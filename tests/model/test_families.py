"""One meaning for every family: `frozen_layers` and `features` of small members of 28 of them, without data.

On torch's meta device: modules, shapes and the graph of gradients are real, only the numbers are missing.
"""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from geotune.model.backbone import Backbone
from geotune.model.stages import stages_of

FAMILIES = {  # a small member of each, and a photo size that it takes
    "resnet18": 64,
    "resnext50_32x4d": 64,
    "efficientnet_b0": 64,
    "tf_efficientnet_lite0": 64,
    "convnext_atto": 64,
    "convnextv2_atto": 64,
    "mobilenetv3_small_050": 64,
    "mobilenetv4_conv_small": 64,
    "regnetx_002": 64,
    "densenet121": 64,
    "ghostnet_100": 64,
    "hrnet_w18_small": 64,
    "repvit_m0_9": 64,
    "fastvit_t8": 64,
    "edgenext_xx_small": 64,
    "efficientvit_b0": 64,
    "vit_tiny_patch16_224": 64,
    "deit_tiny_distilled_patch16_224": 64,
    "beit_base_patch16_224": 224,
    "eva02_tiny_patch14_224": 224,
    "swin_tiny_patch4_window7_224": 224,
    "swinv2_tiny_window8_256": 256,
    "maxvit_pico_rw_256": 256,
    "coatnet_nano_rw_224": 224,
    "mvitv2_tiny": 64,
    "twins_svt_small": 64,
    "coat_lite_tiny": 64,
    "mixer_s32_224": 224,
    "levit_128s": 224,
}
WITHOUT_STAGE_1 = ("levit_128s",)  # it has three stages: its stage 1 is empty


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_divides_into_stem_and_stages(name: str) -> None:
    """Built once a family, for the time that it takes."""
    size = FAMILIES[name]
    with torch.device("meta"):
        made = Backbone(name, None, sizes=[size], features="stages", frozen_layers=3)
    parts = stages_of(made.net).parameters
    every_parameter_stands_in_one_part(made.net, parts)
    assert [not part for part in parts] == [False, name in WITHOUT_STAGE_1, False, False, False]
    assert {n for part in parts[:3] for n in part} == {n for n, p in made.net.named_parameters() if not p.requires_grad}
    what_is_frozen_comes_first(made.net, parts, size)
    norms_of_what_is_frozen_are_in_eval(made)
    assert len(made.levels) == 2
    assert made.widths[size] > made.net.num_features  # type: ignore[operator]


def every_parameter_stands_in_one_part(net: nn.Module, parts: list[list[str]]) -> None:
    names = [name for part in parts for name in part]
    assert len(names) == len(set(names))
    assert set(names) == {name for name, _ in net.named_parameters()}


def what_is_frozen_comes_first(net: nn.Module, parts: list[list[str]], size: int) -> None:
    """Nothing that is computed from a trained weight enters a module all of whose weights are frozen.

    At its first call: coat's blocks share the position encoding that its stem ends with.
    """
    net.train()  # levit keeps what eval computed of its weights
    net.requires_grad_(True)
    for frozen_layers in range(1, 5):
        for name in parts[frozen_layers - 1]:
            net.get_parameter(name).requires_grad_(False)
        entered: dict[nn.Module, bool] = {}

        def look(module: nn.Module, args: tuple[object, ...], entered: dict[nn.Module, bool] = entered) -> None:
            entered.setdefault(module, any(isinstance(value, Tensor) and value.requires_grad for value in args))

        hooks = [
            module.register_forward_pre_hook(look)
            for module in net.modules()
            if any(True for _ in module.parameters()) and not any(p.requires_grad for p in module.parameters())
        ]
        features = net(torch.zeros(2, 3, size, size, device="meta"))
        for hook in hooks:
            hook.remove()
        assert entered
        assert [type(module).__name__ for module, trained in entered.items() if trained] == [], frozen_layers
        assert features.requires_grad
        assert features.ndim == 2


def norms_of_what_is_frozen_are_in_eval(made: Backbone) -> None:
    """`what_is_frozen_comes_first` has frozen four parts: those of Backbone's own three count."""
    own = {n for part in stages_of(made.net).parameters[:3] for n in part}
    made.train()
    for name, module in made.net.named_modules():
        if isinstance(module, _BatchNorm) and module.weight is not None:
            assert module.training == (f"{name}.weight" not in own), name


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "tf_efficientnet_lite0", "twins_svt_small"])
def test_more_frozen_layers_leave_less_to_train(name: str) -> None:
    counts = []
    for frozen_layers in range(6):
        with torch.device("meta"):
            made = Backbone(name, None, sizes=[FAMILIES[name]], frozen_layers=frozen_layers)
        counts.append(sum(p.numel() for p in made.parameters() if p.requires_grad))
    assert counts == sorted(set(counts), reverse=True)
    assert counts[0] == sum(p.numel() for p in made.parameters())
    assert counts[5] == 0


def test_a_model_without_levels_of_features_is_all_fourth_stage() -> None:
    stages = stages_of(nn.Sequential(nn.Linear(2, 2)))
    assert stages.parameters == [[], [], [], [], ["0.weight", "0.bias"]]
    assert stages.levels == []
