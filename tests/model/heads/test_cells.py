"""Cells as labels: outside them all, class balance, and how fast the labels fade."""

import numpy as np
import pytest
import torch

from geotune.model.geography import Geography
from geotune.model.heads.cells import CellsHead, CellsSettings

LAT = np.concatenate([np.full(90, 52.2), np.full(10, 52.21)]) + np.random.default_rng(0).normal(0, 1e-5, 100)
LON = np.full(100, 0.12)


def head(**settings: object) -> CellsHead:
    torch.manual_seed(0)
    chosen = CellsSettings(cells=2, **settings)  # type: ignore[arg-type]
    geography = Geography.of(LAT, LON)
    return chosen.build(4, geography, chosen.fit(geography, LAT, LON, 0))


def test_a_photo_outside_all_cells_counts_as_no_loss() -> None:
    made = head()
    outputs, targets = made(torch.randn(3, 4)), made.targets(LAT[:3], LON[:3])
    outside = targets | {"cell": torch.tensor([int(targets["cell"][0]), -1, int(targets["cell"][2])])}
    two = {name: tensor[[0, 2]] for name, tensor in targets.items()}
    kept = {name: tensor[[0, 2]] for name, tensor in outputs.items()}
    torch.testing.assert_close(made.loss(outputs, outside)["loss"], made.loss(kept, two)["loss"] * 2 / 3)
    none = targets | {"cell": torch.full((3,), -1)}
    assert float(made.loss(outputs, none)["loss"].detach()) == 0


@pytest.mark.parametrize(("power", "ratio"), [(0, 1), (0.5, 3), (1, 9)])
def test_balance_weighs_the_photos_of_small_cells_more(power: float, ratio: float) -> None:
    made = head(balance=power)
    weight_N = made.weights[made.targets(LAT, LON)["cell"]]
    assert float(weight_N.mean()) == pytest.approx(1)
    assert float(weight_N[-1] / weight_N[0]) == pytest.approx(ratio)


def test_tau_in_km_sets_how_fast_the_labels_fade() -> None:
    made = head(tau_km=0.5)
    cell = made.targets(LAT[:1], LON[:1])["cell"]
    labels = made.labels(made.targets(LAT[:1], LON[:1]))
    between_km = 0.01 * 111.195
    assert float(labels[0, 1 - cell] / labels[0, cell]) == pytest.approx(np.exp(-between_km / 0.5), rel=0.01)
