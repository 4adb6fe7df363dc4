"""The average of the weights: its formula, what it holds, and that the model gets its own weights back."""

import itertools
from collections.abc import Callable

import pytest
import torch

from geotune.data.dataset import open_dataset
from geotune.model.geolocator import Geolocator
from geotune.train import checkpoint
from geotune.train.bundle import load_bundle
from geotune.train.ema import Ema
from geotune.train.evaluate import evaluate
from geotune.train.loop import train
from geotune.train.run import build_model

FEATURES = {"model.frozen_layers": 5, "optim.lr": 1e-2, "input.views": 2}


@pytest.fixture
def model(config) -> Callable[..., Geolocator]:
    def made(**changes) -> Geolocator:
        settings = config(**changes)
        return build_model(settings, open_dataset(settings.data))

    return made


def drift(model: Geolocator, step: int) -> None:
    """What a step of training does to weights and running statistics, for a test."""
    generator = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for tensor in model.trainable_state().values():
            if tensor.is_floating_point():
                tensor.add_(torch.rand(tensor.shape, generator=generator))


def test_it_is_the_average_by_the_formula(model):
    geolocator = model()
    ema, oracle = Ema(geolocator, 0.6), None
    for step in range(6):
        drift(geolocator, step)
        ema.update(step)
        now = {name: tensor.double() for name, tensor in geolocator.trainable_state().items()}
        decay = min(0.6, 1 - (1 + step) ** (-2 / 3))  # nought after the first step: it counts alone
        oracle = {n: decay * oracle[n] + (1 - decay) * now[n] for n in now} if oracle else now
    state = ema.state_dict()
    for name, tensor in state.items():
        assert torch.allclose(tensor.double(), oracle[name], rtol=1e-5), name
    moving = {name for name, tensor in now.items() if name.endswith(("running_mean", "running_var"))}
    assert state.keys() == {name for name, _ in geolocator.named_parameters()} | moving


def test_a_frozen_backbone_is_not_averaged(model):
    assert {name.partition(".")[0] for name in Ema(model(**FEATURES), 0.9).state_dict()} == {"head"}
    partly = model(**{"model.frozen_layers": 3})
    averaged = Ema(partly, 0.9).state_dict().keys()
    assert averaged <= partly.trainable_state().keys()
    assert any(name.startswith("backbone") for name in averaged)


def test_the_model_gets_its_own_weights_back(model):
    geolocator = model()
    ema = Ema(geolocator, 0.9)
    for step in range(3):
        drift(geolocator, step)
        ema.update(step)
    before = {name: tensor.clone() for name, tensor in geolocator.state_dict().items()}
    average = {name: tensor.clone() for name, tensor in ema.state_dict().items()}

    def validate() -> None:
        with ema.in_place():
            within = geolocator.state_dict()
            assert all(torch.equal(within[name], tensor) for name, tensor in average.items())
            assert not any(torch.equal(within[name], before[name]) for name in average)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        validate()
    after = geolocator.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert all(torch.equal(ema.state_dict()[name], tensor) for name, tensor in average.items())


def test_without_one_nothing_happens(model):
    geolocator = model()
    ema = Ema(geolocator, 0.0)
    before = {name: tensor.clone() for name, tensor in geolocator.state_dict().items()}
    ema.update(0)
    with ema.in_place():
        pass
    assert ema.state_dict() == {}
    ema.load_state_dict({})
    assert all(torch.equal(geolocator.state_dict()[name], tensor) for name, tensor in before.items())


def test_it_survives_a_checkpoint_and_refuses_another_models(model, tmp_path):
    geolocator = model()
    ema = Ema(geolocator, 0.9)
    drift(geolocator, 0)
    ema.update(0)
    checkpoint.save(tmp_path / "c", {"ema": ema.state_dict()})
    state = checkpoint.load(tmp_path / "c")["ema"]
    again = Ema(model(), 0.9)
    again.load_state_dict(state)
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in ema.state_dict().items())
    for other in (Ema(model(**FEATURES), 0.9), Ema(model(), 0.0)):
        with pytest.raises(KeyError):
            other.load_state_dict(state)


PATHS = {
    "photos": {"optim.lr": 3e-3},
    "part": {"model.frozen_layers": 3, "optim.lr": 1e-2},
    "features": FEATURES,
    "retrieval": {**FEATURES, "model.head.name": "retrieval", "model.head.hidden": 8},
}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_what_is_validated_is_kept_and_exported_and_the_training_is_not_disturbed(config, region, tmp_path, path):
    plain = list(train(config(**path), tmp_path))
    averaged = list(train(config(**path, **{"train.ema": 0.9}), tmp_path))
    pairs = list(zip(plain, averaged, strict=True))
    assert all(one.metrics["train/loss"] == other.metrics["train/loss"] for one, other in pairs)
    assert any(one.metrics["valid/loss"] != other.metrics["valid/loss"] for one, other in pairs)
    assert len({epoch.metrics["valid/loss"] for epoch in averaged}) == len(averaged) > 1, "each step is taken in"
    averaged[-1].export(tmp_path / "model")
    found = evaluate(load_bundle(tmp_path / "model", "cpu").model, open_dataset(region).split("valid"))
    assert found.metrics["valid/median_m"] == pytest.approx(averaged[-1].best_metrics["valid/median_m"], rel=5e-3)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_going_on_is_exact(config, tmp_path, path):
    settings = config(**path, **{"train.ema": 0.9, "train.epochs": 4})
    straight = list(train(settings, tmp_path / "a"))
    run = train(settings, tmp_path / "b")
    for epoch in itertools.islice(run, 2):
        epoch.save(tmp_path / "b" / "checkpoint" / f"1-{epoch.number}")
    run.close()
    resumed = list(train(settings, tmp_path / "b", resume=tmp_path / "b" / "checkpoint" / "1-2"))
    for one, other in zip(straight[-2:], resumed[-2:], strict=True):
        assert one.metrics["train/loss"] == other.metrics["train/loss"]
        assert one.metrics["valid/loss"] == other.metrics["valid/loss"]
    straight[-1].export(tmp_path / "one")
    resumed[-1].export(tmp_path / "other")
    one, other = (load_bundle(tmp_path / name, "cpu").model.state_dict() for name in ("one", "other"))
    assert all(torch.equal(one[name], other[name]) for name in one)
