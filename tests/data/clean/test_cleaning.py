"""One pass over a catalogue: what goes, what is told, and that every reason is explained."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from geotune.config import build
from geotune.data.clean import WHY, CleanSettings, clean, finding, why
from geotune.data.clean.finding import BURST, DUPLICATE, FAR, JUMP, SHARED_POSITION
from geotune.errors import GeotuneError

Make = Callable[..., pd.DataFrame]


def test_what_goes_and_what_is_told(catalogue: Make) -> None:
    lat = 52 + np.arange(400) * 1e-4
    lat[5], lat[20:32] = 10.0, 52.1
    time = np.arange(400) * 1000.0
    time[101] = time[100] + 1
    shas = [f"{i:032x}" for i in range(400)]
    shas[51] = shas[50]
    made = catalogue(400, lat=lat, time=time, sha=shas, camera=np.arange(400) % 200 // 2 + 1)
    made.loc[[101, 100], "camera"] = 3
    done = clean(made, CleanSettings(), "region")
    assert np.flatnonzero(~done.keep).tolist() == [5, 51]
    assert Counter(f.reason for f in done.findings) == {FAR: 1, DUPLICATE: 1, SHARED_POSITION: 12, BURST: 1}
    assert [f.left_out for f in done.findings[:3]] == [True, True, False]


def test_a_name_that_comes_twice_loses_only_the_copy(catalogue: Make) -> None:
    done = clean(catalogue(3, id=["a", "a", "a"], sha=["x", "y", "x"]), CleanSettings(), "region")
    assert done.keep.tolist() == [True, True, False]


def test_no_photos(catalogue: Make) -> None:
    done = clean(catalogue(0), CleanSettings(), "world")
    assert done.findings == []
    assert done.keep.shape == (0,)


def test_a_stray_is_no_jump_once_it_is_gone(catalogue: Make) -> None:
    lat = 52 + np.arange(200) * 1e-4
    lat[100] = 10.0
    done = clean(catalogue(200, lat=lat, time=np.arange(200) * 60.0), CleanSettings(), "region")
    assert not [f for f in done.findings if f.reason == JUMP]


def test_arrow_texts_do_as_well(catalogue: Make) -> None:
    pytest.importorskip("pyarrow")
    made = catalogue(20, sha=["a"] * 2 + [str(i) for i in range(18)])
    for name in ("id", "sha", "place", "split", "group"):
        made[name] = made[name].astype("string[pyarrow]")
    assert clean(made, CleanSettings(), "region").keep.sum() == 19


def test_every_reason_is_explained() -> None:
    reasons = [value for name, value in vars(finding).items() if name.isupper() and isinstance(value, str)]
    assert len(reasons) >= 10
    assert set(reasons) == set(WHY)
    for reason in (*reasons, "no GPS position in EXIF", "within 20 m of a held-out photo (--gap)"):
        assert why(reason)
    assert why("never heard of") == ""


def test_settings_are_checked() -> None:
    with pytest.raises(GeotuneError, match="far"):
        build(CleanSettings, {"far": "100"})
    assert build(CleanSettings, {"far": "250km", "stale": "10m"}).far == 250_000
