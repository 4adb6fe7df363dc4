"""Three answers side by side: countries that rule cells out, an offset that moves them, one country alone."""

import numpy as np
import torch

from geotune.geo.countries import country_codes
from geotune.model.geography import Geography
from geotune.model.heads.multitask import UNKNOWN, MultitaskHead, MultitaskSettings

rng = np.random.default_rng(0)
# Paris, Berlin and Madrid, each with its surroundings
LAT = np.repeat([48.85, 52.52, 40.42], 20) + rng.normal(0, 0.1, 60)
LON = np.repeat([2.35, 13.4, -3.7], 20) + rng.normal(0, 0.1, 60)


def head(lat: np.ndarray = LAT, lon: np.ndarray = LON, **settings: float) -> MultitaskHead:
    torch.manual_seed(0)
    chosen = MultitaskSettings(cells=6, **settings)  # type: ignore[arg-type]
    geography = Geography.of(lat, lon)
    return chosen.build(4, geography, chosen.fit(geography, lat, lon, 0))


def test_the_country_decides_between_cells_that_are_alike() -> None:
    made = head()
    assert made.country_codes.tolist() == ["DE", "ES", "FR"]
    outputs = {"logits": torch.zeros(1, 6), "offset": torch.zeros(1, 3), "countries": torch.tensor([[0.0, 9.0, 0.0]])}
    answers = made.decode(outputs)
    assert abs(answers.lat[0] - 40.42) < 0.5
    assert abs(answers.lon[0] + 3.7) < 0.5


def test_the_offset_moves_the_centre() -> None:
    made = head(LAT[:20], LON[:20])
    outputs = {"logits": torch.eye(6)[:1], "offset": torch.tensor([[0.0, 1.0]])}
    still = made.decode(outputs | {"offset": torch.zeros(1, 2)})
    moved = made.decode(outputs)
    assert np.isclose((moved.lat - still.lat) * 111.195, made.cell_radius * made.geography.km_per_unit, rtol=0.01)


def test_one_country_needs_no_layer_and_a_new_one_no_label() -> None:
    alone = head(LAT[:20], LON[:20])
    assert alone.countries is None
    assert "countries" not in alone(torch.randn(2, 4))
    made = head()
    targets = made.targets([51.5, 48.85], [-0.1, 2.35])  # London was never seen
    assert targets["country"].tolist() == [UNKNOWN, 2]
    assert torch.isfinite(made.loss(made(torch.randn(2, 4)), targets)["country"])


def test_the_weights_are_those_of_the_parts() -> None:
    made = head(cells_weight=2, country_weight=3, offset_weight=4)
    parts = made.loss(made(torch.randn(60, 4)), made.targets(LAT, LON))
    torch.testing.assert_close(parts["loss"], 2 * parts["cells"] + 3 * parts["country"] + 4 * parts["offset"])


def test_a_cells_country_is_that_of_its_photos() -> None:
    """The middle between Galicia and Huelva, both Spanish, is in Portugal."""
    lat, lon = np.array([42.2, 42.21, 37.4, 37.41, 38.72]), np.array([-8.5, -8.51, -6.9, -6.91, -9.15])
    settings = MultitaskSettings(kind="countries")
    fitted = settings.fit(Geography.of(lat, lon), lat, lon, 0)
    assert fitted["cell_countries"] == fitted["countries"] == ["ES", "PT"]
    assert country_codes(fitted["centres_lat"], fitted["centres_lon"]).tolist() == ["PT", "PT"]
    assert fitted["cell_country"] == [0, 1]
