"""One cell a country."""

import numpy as np
import pytest

from geotune.errors import GeotuneError
from geotune.geo.cells.countries import build
from geotune.geo.countries import country_codes
from tests.geo.cells.places import world

LAT, LON = world(800)


def test_a_cell_a_country():
    partition = build(LAT, LON)
    codes = country_codes(LAT, LON)
    assert list(partition.countries) == sorted({*codes} - {""})
    cell = partition.assign(LAT, LON)
    assert all((partition.countries[k] if k >= 0 else "") == code for k, code in zip(cell, codes, strict=True))


def test_a_country_without_photos_or_with_too_few_is_outside(caplog):
    partition = build([48.85, 45.75, 52.5], [2.35, 4.85, 13.4], minimum=2)
    assert partition.countries == ("FR",)
    assert partition.assign([48.0, 52.0, 41.9], [2.0, 13.0, 12.5]).tolist() == [0, -1, -1]
    assert "1 photos lie in no country of at least 2 photos" in caplog.text
    assert partition.centres_lat[0] == pytest.approx(47.3, abs=0.1)


def test_no_country_at_all():
    with pytest.raises(GeotuneError, match="none of the 1 photos lies in a country"):
        build([0.0], [-30.0])
    with pytest.raises(GeotuneError, match="no country has 900 of the 800 photos"):
        build(LAT, LON, minimum=900)
    assert np.isfinite(build([48.0], [2.0]).centres_lat).all()
