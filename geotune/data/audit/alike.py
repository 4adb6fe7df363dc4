"""Photos of two catalogues that look the same: near duplicates by their hashes, and equal files, whatever they show."""

from typing import TYPE_CHECKING

import numpy as np

from geotune.data.split.near import Ints

if TYPE_CHECKING:
    from pandas import DataFrame


def look_alike(a: "DataFrame", b: "DataFrame") -> Ints:
    """Pairs (row of a, row of b), sorted, of shape (M, 2); the catalogues' columns `phash`, `sha` and `split` count.

    Pictures without features (a night, a fog) have no hash to go by: of these only equal files are found.
    """
    from geotune.data.clean import near_duplicates

    hash_a, hash_b = (one["phash"].to_numpy(np.uint64) for one in (a, b))
    return np.unique(np.concatenate([near_duplicates(hash_a, hash_b), _same_file(a, b)]), axis=0)


def _same_file(a: "DataFrame", b: "DataFrame") -> Ints:
    """Pairs of equal files; each photo with the first of its copies in each split there, so M is in proportion to N."""
    one, other = (_files(catalogue) for catalogue in (a, b))
    first_of = ["sha", "split"]
    pairs = [one.merge(other.drop_duplicates(first_of), on="sha"), one.drop_duplicates(first_of).merge(other, on="sha")]
    return np.concatenate([found[["row_x", "row_y"]].to_numpy(np.int64) for found in pairs])


def _files(catalogue: "DataFrame") -> "DataFrame":
    numbered = catalogue[["sha", "split"]].assign(row=np.arange(len(catalogue)))
    return numbered[numbered["sha"] != ""]
