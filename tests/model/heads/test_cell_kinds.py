"""Every kind of cells under a head: outside is outside, and the cells travel with the model."""

import json
from typing import get_args

import numpy as np
import pytest
import torch

from geotune.errors import GeotuneError
from geotune.geo.cells.kinds import Kind, build
from geotune.model.geography import Geography
from geotune.model.heads.cells import CellsHead, CellsSettings
from geotune.model.heads.hierarchical import HierarchicalSettings
from geotune.model.heads.hybrid import HybridSettings
from geotune.model.heads.multitask import MultitaskSettings

rng = np.random.default_rng(0)
LAT = np.r_[rng.normal(47, 1, 60), rng.normal(-33.5, 0.3, 40), 0.0]  # the Alps, Sydney, and a ship in the Atlantic
LON = np.r_[rng.normal(8, 2, 60), rng.normal(150.5, 0.3, 40), -30.0]
GEOGRAPHY = Geography.of(LAT, LON)


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("member", [CellsSettings, HybridSettings])
@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_a_head_learns_on_every_kind_and_is_rebuilt_with_the_same_cells(kind, member, smoothing):
    settings = member(kind=kind, cells=12, smoothing=smoothing)
    fitted = json.loads(json.dumps(settings.fit(GEOGRAPHY, LAT, LON, 0)))
    torch.manual_seed(0)
    head = settings.build(6, GEOGRAPHY, fitted)
    assert isinstance(head, CellsHead)
    assert (head.partition.kind, head.partition.fingerprint) == (kind, fitted["fingerprint"])
    assert 1 < len(head.partition) <= 12
    targets = head.targets(LAT, LON)
    assert (int(targets["cell"][-1]) == -1) == (kind in ("borders", "countries"))
    loss = head.loss(head(torch.randn(101, 6)), targets)["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    again = settings.build(6, GEOGRAPHY, fitted)
    np.testing.assert_array_equal(again.partition.assign(LAT, LON), targets["cell"].numpy())


@pytest.mark.parametrize("member", [CellsSettings, HybridSettings, HierarchicalSettings, MultitaskSettings])
def test_a_photo_outside_all_cells_counts_as_no_loss_in_any_micro_batch(member):
    settings = member(kind="borders", cells=8, balance=0.5)
    head = settings.build(6, GEOGRAPHY, settings.fit(GEOGRAPHY, LAT[:100], LON[:100], 0)).eval()
    features = torch.randn(101, 6)

    def losses(rows):
        return head.loss(head(features[rows]), head.targets(LAT[rows], LON[rows]))

    assert {float(part.detach()) for part in losses(slice(100, 101)).values()} == {0.0}
    whole, inside, parts = losses(slice(101)), losses(slice(100)), [losses(slice(98)), losses(slice(98, 101))]
    for name, loss in whole.items():
        assert torch.allclose(loss, inside[name] * 100 / 101)
        assert torch.allclose(loss, parts[0][name] * 98 / 101 + parts[1][name] * 3 / 101)


def test_a_hierarchical_head_takes_the_levels_that_cells_bring():
    settings = HierarchicalSettings(kind="borders", cells=40, levels=3)
    fitted = settings.fit(GEOGRAPHY, LAT, LON, 0)
    assert fitted["parents"] == fitted["levels"][::-1]
    head = settings.build(6, GEOGRAPHY, fitted)
    assert torch.isfinite(head.loss(head(torch.randn(101, 6)), head.targets(LAT, LON))["loss"])


def test_cells_come_from_a_file(tmp_path):
    partition = build("quadtree", LAT, LON, 9)
    partition.save(tmp_path / "cells.json")
    settings = CellsSettings(cells_file=str(tmp_path / "cells.json"))
    fitted = settings.fit(GEOGRAPHY, LAT, LON, 0)
    assert settings.build(6, GEOGRAPHY, fitted).partition.fingerprint == partition.fingerprint
    with pytest.raises(GeotuneError, match="cannot be read"):
        CellsSettings(cells_file=str(tmp_path / "none.json")).fit(GEOGRAPHY, LAT, LON, 0)


def test_a_model_of_before_is_still_read():
    old = {"kind": "kmeans", "centres_lat": [0.0, 10.0], "centres_lon": [0.0, 10.0], "radius_km": 100.0}
    head = CellsSettings().build(6, GEOGRAPHY, old)
    assert head.partition.assign([1.0, 9.0], [1.0, 9.0]).tolist() == [0, 1]


def test_cells_that_were_changed_in_the_file_are_refused():
    fitted = CellsSettings(cells=4).fit(GEOGRAPHY, LAT, LON, 0)
    fitted["centres_lat"][0] += 1
    with pytest.raises(ValueError, match="not those of fingerprint"):
        CellsSettings(cells=4).build(6, GEOGRAPHY, fitted)


def test_a_hybrid_of_many_cells_keeps_no_offset_of_each():
    lat, lon = rng.normal(47, 1, 3000), rng.normal(8, 2, 3000)
    geography = Geography.of(lat, lon)
    settings = HybridSettings(cells=3000, alpha=1)
    head = settings.build(6, geography, settings.fit(geography, lat, lon, 0))
    with torch.no_grad():
        head.offsets.weight.normal_()
    outputs = head(torch.randn(300, 6))
    assert sum(output.numel() for output in outputs.values()) < 1.1 * 300 * 3000
    head.loss(outputs, head.targets(lat[:300], lon[:300]))["loss"].backward()
    assert 0.3 < float((head.offsets.weight.grad.abs().sum(1) > 0).float().mean()) < 1  # only those near the photos
    whole, alone = head.decode(outputs), head.decode({name: output[:1] for name, output in outputs.items()})
    np.testing.assert_allclose(whole.lat[:1], alone.lat)
    cell = torch.tensor([[5, 2999]])
    every = head.offsets(outputs["inner"][:1]).view(-1, geography.axes)
    torch.testing.assert_close(head._offsets(outputs["inner"][:1], cell)[0], every[cell[0]])
