"""Levels of cells: nested, fewer where there are few cells, and multiplied."""

import numpy as np
import torch

from geotune.model.geography import Geography
from geotune.model.heads.hierarchical import HierarchicalHead, HierarchicalSettings

rng = np.random.default_rng(0)
LAT, LON = np.degrees(np.arcsin(rng.uniform(-1, 1, 300))), rng.uniform(-180, 180, 300)


def head(**settings: int) -> HierarchicalHead:
    torch.manual_seed(0)
    chosen = HierarchicalSettings(**settings)  # type: ignore[arg-type]
    geography = Geography.of(LAT, LON)
    return chosen.build(4, geography, chosen.fit(geography, LAT, LON, 0))


def test_every_cell_lies_in_one_cell_of_each_level_above() -> None:
    made = head(cells=64, levels=3, branching=4)
    sizes = [made(torch.randn(1, 4))[name].shape[1] for name in ("logits", "logits_1", "logits_2")]
    assert sizes == [64, 16, 4]
    first, second = made.get_buffer("parent_1").numpy(), made.get_buffer("parent_2").numpy()
    for cell in range(16):
        assert len(set(second[first == cell])) == 1


def test_levels_that_would_have_a_single_cell_are_left_out() -> None:
    assert len(head(cells=8, levels=6, branching=4).above) == 1
    assert len(head(cells=3, levels=6, branching=4).above) == 0


def test_the_levels_are_multiplied() -> None:
    made = head(cells=16, levels=2, branching=4)
    parent = made.get_buffer("parent_1")
    outputs = {"logits": torch.zeros(1, 16), "logits_1": torch.zeros(1, 4)}
    favourite = int(parent[5])
    outputs["logits_1"][0, favourite] = 9.0  # the fine level has no idea: the coarse one decides
    candidates = made.decode(outputs).candidates
    assert candidates is not None
    best = made.partition.assign(candidates.lat[0, :1], candidates.lon[0, :1])[0]
    assert int(parent[best]) == favourite
    children = int((parent == favourite).sum())
    np.testing.assert_allclose(candidates.probability[0, 0], 1 / children, rtol=0.01)
