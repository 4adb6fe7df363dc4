"""Two datasets side by side: which photos of one look like photos of the other."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geotune.data.audit.alike import look_alike
from geotune.data.split.near import Floats, Ints
from geotune.data.spreadsheet import quoted
from geotune.geo.sphere import distance_km

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Alike:
    """Pairs of photos of A and B that look the same: rows of their catalogues (M, 2), arrays of M about them."""

    pairs: Ints
    bits: Ints
    """In how many of 64 bits their perceptual hashes differ."""
    metres: Floats
    same_file: "np.ndarray[Any, np.dtype[np.bool_]]"

    def __len__(self) -> int:
        return len(self.pairs)


def against(a: "DataFrame", b: "DataFrame") -> Alike:
    """What looks the same in two catalogues, the likest first."""
    from geotune.data.clean.hashes import popcount

    hash_a, hash_b = (one["phash"].to_numpy(np.uint64) for one in (a, b))
    pairs = look_alike(a, b)
    i, j = pairs.T
    bits = popcount(hash_a[i] ^ hash_b[j]).astype(np.int64)
    lat, lon = (tuple(one[name].to_numpy(np.float64) for one in (a, b)) for name in ("lat", "lon"))
    metres = 1000 * distance_km(lat[0][i], lon[0][i], lat[1][j], lon[1][j])
    sha_a, sha_b = a["sha"].to_numpy(object)[i], b["sha"].to_numpy(object)[j]
    same = np.asarray((sha_a == sha_b) & (sha_a != ""), bool)
    order = np.lexsort((j, i, bits, ~same))
    return Alike(pairs[order], bits[order], metres[order], same[order])


def leaks(alike: Alike, train: "DataFrame", tested: "DataFrame", *, swapped: bool = False) -> dict[str, int]:
    """Held-out photos of `tested` that look like a training photo of `train`: valid and test -> how many.

    `alike` has the rows of `train` first, or second where `swapped`.
    """
    mine, theirs = alike.pairs[:, ::-1].T if swapped else alike.pairs.T
    seen = theirs[(train["split"].to_numpy() == "train")[mine]]
    split = tested["split"].to_numpy()[np.unique(seen)]
    return {name: int((split == name).sum()) for name in ("valid", "test")}


def write_pairs(path: Path, alike: Alike, a: "DataFrame", b: "DataFrame") -> None:
    """Every pair as a row of the CSV file `path`; a name that a spreadsheet would take for a formula is quoted."""
    import pandas as pd

    i, j = alike.pairs.T
    table = pd.DataFrame({
        "id": a["id"].iloc[i].map(quoted).to_numpy(), "split": a["split"].iloc[i].to_numpy(),
        "other": b["id"].iloc[j].map(quoted).to_numpy(), "other_split": b["split"].iloc[j].to_numpy(),
        "same_file": alike.same_file, "bits": alike.bits, "metres": alike.metres.round(1),
    })  # fmt: skip
    part = path.with_name(f".{path.name}.part")
    table.to_csv(part, index=False)
    part.replace(path)
