"""All looks at a catalogue, one after the other: what is left out, what is only noted."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from geotune.data.clean.copies import same_file, same_picture
from geotune.data.clean.finding import Finding
from geotune.data.clean.journeys import in_bursts, jumps, stale
from geotune.data.clean.positions import far_from_all, inaccurate, outlying, shared_positions
from geotune.data.clean.settings import CleanSettings
from geotune.geo.metrics import Extent

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Cleaning:
    """Which photos of a catalogue stay, shape (N,), and every case: those left out first, then those worth a note."""

    keep: npt.NDArray[np.bool_]
    findings: list[Finding]


def clean(
    catalogue: "DataFrame", settings: CleanSettings, extent: Extent, main: npt.NDArray[np.bool_] | None = None
) -> Cleaning:
    """Look through a catalogue of photos that decode (columns as in geotune.data.catalogue).

    Left out are copies of a file and what lies far from a region; all other cases are noted and kept, for they need
    somebody's eyes. A photo has at most one case of each reason. `main` are the photos (N,) that say where a region is;
    else most of them do.
    """
    keep = np.ones(len(catalogue), bool)
    if not len(catalogue):
        return Cleaning(keep, [])
    copies, gone = same_file(catalogue, settings)
    keep[gone] = False
    strays, gone = far_from_all(catalogue, keep, settings, extent, main)
    keep[gone] = False
    noted = [
        *jumps(catalogue, keep, settings),
        *stale(catalogue, keep, settings),
        *same_picture(catalogue, keep, settings),
        *outlying(catalogue, keep, extent),
        *inaccurate(catalogue, keep, settings),
        *shared_positions(catalogue, keep, settings),
        *in_bursts(catalogue, keep),
    ]
    found = [*copies, *strays, *noted]
    return Cleaning(keep, sorted(found, key=lambda case: not case.left_out))
