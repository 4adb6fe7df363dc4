"""All pairs within the limit and no other, whatever the bits; bounded where thousands look alike."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geotune.data.clean.hashes import BUCKET, NEAR_BITS, PARTNERS, has_features, near_duplicates, popcount
from tests.data.clean.conftest import flipped, hashes_of


def by_hand(a: np.ndarray, b: np.ndarray | None, bits: int) -> list[tuple[int, int]]:
    other = a if b is None else b
    near = popcount(a[:, None] ^ other[None]) <= bits
    near &= has_features(a)[:, None] & has_features(other)[None]
    if b is None:
        near = np.triu(near, 1)
    return [(int(i), int(j)) for i, j in np.argwhere(near)]


@given(st.integers(0, 2**32), st.integers(0, 15), st.booleans())
def test_pairs_are_those_of_comparing_each_with_each(seed: int, bits: int, within: bool) -> None:
    rng = np.random.default_rng(seed)
    bases = hashes_of(12, seed)
    words = [flipped(int(base), int(rng.integers(0, 7)), int(rng.integers(99))) for base in bases for _ in range(4)]
    a = rng.permutation(np.array([*words, 0, 2**64 - 1, 1 << 63], np.uint64))
    b = None if within else np.concatenate([rng.permutation(a)[:20], bases])
    assert [tuple(pair) for pair in near_duplicates(a, b, bits).tolist()] == by_hand(a, b, bits)


@given(st.lists(st.integers(0, 2**64 - 1)))
def test_popcount_counts_set_bits(words: list[int]) -> None:
    assert popcount(np.array(words, np.uint64)).tolist() == [word.bit_count() for word in words]


def test_none_and_one() -> None:
    for count in (0, 1):
        assert near_duplicates(hashes_of(count)).shape == (0, 2)
        assert near_duplicates(hashes_of(3), hashes_of(0)).shape == (0, 2)


def test_flat_pictures_are_no_twins() -> None:
    assert len(near_duplicates(np.zeros(50, np.uint64))) == 0
    assert len(near_duplicates(np.full(50, 1 << 63, np.uint64))) == 0


def test_a_limit_that_has_no_bands_is_refused() -> None:
    with pytest.raises(ValueError, match="0 to 15, got 16"):
        near_duplicates(hashes_of(2), bits=16)


def test_thousands_of_equal_photos_cost_no_square() -> None:
    count = 20_000
    pairs = near_duplicates(np.full(count, hashes_of(1)[0]))
    assert len(pairs) <= 2 * PARTNERS * count
    assert len(np.unique(pairs)) == count  # each has a twin all the same


def test_thousands_of_nearly_equal_photos_each_have_a_twin() -> None:
    word = int(hashes_of(1)[0])
    alike = np.array([flipped(word, 1, seed) for seed in range(BUCKET + 500)], np.uint64)
    pairs = near_duplicates(alike)
    assert len(np.unique(pairs)) == len(alike)
    found = near_duplicates(alike, hashes_of(1))
    assert len(found) == len(alike)
    assert (popcount(alike[pairs[:, 0]] ^ alike[pairs[:, 1]]) <= NEAR_BITS).all()


@pytest.mark.photos
def test_street_photos_6_m_apart_are_no_twins_and_the_copies_among_them_are(real_photos: Path) -> None:
    imagehash, image = pytest.importorskip("imagehash"), pytest.importorskip("PIL.Image")
    folder = real_photos / "cambridge"
    files = pd.read_csv(folder / "labels.csv")["file"].iloc[1:2864:2]  # two of four headings
    shas, hashes = [], []
    for file in files:
        with image.open(folder / file) as opened:
            opened.draft("L", (64, 64))
            hashes.append(int(str(imagehash.phash(opened)), 16))
        shas.append((folder / file).read_bytes())
    pairs = near_duplicates(np.array(hashes, np.uint64))
    same = [shas[i] == shas[j] for i, j in pairs]
    assert sum(same) == 6
    assert len(same) - sum(same) <= 1  # of a million pairs
