"""Pairs of photos that look the same: 64-bit perceptual hashes that differ in a few bits."""

import itertools

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

NEAR_BITS = 4
"""Photos whose hashes differ in at most so many bits are near duplicates.

Chosen on 2,864 street photos of 716 places, four headings each, neighbours 6 m apart (4.1 million pairs of pHash):
12 pairs differ in 0 bits and all 12 are the same file twice, 1 in 4, 16 in 6, 33 in 8, and from 6 on most are merely
streets alike. The other way round, of 150 photos changed by hand these stay within 2, 4, 6 bits: JPEG quality 40 or
half the size 100, 100, 100 %; a crop of 2 % 65, 93, 98 %; turned by 1° 54, 84, 95 %; 20 % brighter 85, 97, 100 %.
1 pair in 4.1 million would be some 1,200 in 100,000 such photos: looking alike is no proof.
"""
PARTNERS = 16
"""Pairs of one photo, at the most: where thousands look alike, all pairs would be their square."""
BUCKET = 4096
"""Photos that one photo is compared with in one band, at the most, for the same reason."""

_CHUNK, _SLICE = 1 << 16, 16  # photos at work at once, and how many each is compared with: 8 MB an array
_NORMAL_ONES = (26, 38)  # set bits of a picture's hash: half of 64, less the ties that a flat picture is full of


def near_duplicates(a: Hashes, b: Hashes | None = None, bits: int = NEAR_BITS) -> Ints:
    """Pairs (i, j) of photos that look the same, sorted, of shape (M, 2): i < j within `a`, or i of `a` and j of `b`.

    `a` and `b` are perceptual hashes (uint64, shape (N,)); a pair's differ in at most `bits` bits, and all such pairs
    are found. Only where a photo has more than PARTNERS twins it is paired with some of them, and where more than
    BUCKET photos share a fifth of their hash the rest is not looked at: M and the work stay in proportion to N.
    Pictures without features (black frames, plain sky) are never paired: all of them look alike.

    Whatever differs in `bits` bits agrees in one of `bits + 1` bands, so only photos with an equal band are compared.
    """
    if not 0 <= bits < 16:
        raise ValueError(f"bits: expected 0 to 15, got {bits}")
    rows_a = np.flatnonzero(has_features(a))
    rows_b = rows_a if b is None else np.flatnonzero(has_features(b))
    hash_a, hash_b = a[rows_a], (a if b is None else b)[rows_b]
    edges = [64 * band // (bits + 1) for band in range(bits + 2)]
    bands = [np.uint64((1 << high) - (1 << low)) for low, high in itertools.pairwise(edges)]
    found = []
    for number, band in enumerate(bands):
        pairs_band = _alike_in_band(hash_a, hash_b, band, bits, itself=b is None)
        differ = hash_a[pairs_band[:, 0]] ^ hash_b[pairs_band[:, 1]]
        known = np.zeros(len(differ), bool)  # pairs that a band before this one has found
        for before in bands[:number]:
            known |= differ & before == 0
        found.append(pairs_band[~known])
    pairs = _few(np.concatenate(found))
    return np.column_stack([rows_a[pairs[:, 0]], rows_b[pairs[:, 1]]])


def has_features(hashes: Hashes) -> npt.NDArray[np.bool_]:
    """Whether each hash is that of a picture with something in it, shape (N,).

    A bit says whether a frequency lies above the median of all 64: half of them do, unless the picture is flat.
    """
    ones = popcount(hashes)
    return (ones >= _NORMAL_ONES[0]) & (ones <= _NORMAL_ONES[1])


def popcount(words: Hashes) -> Hashes:
    """The number of set bits of each word (numpy's own bitwise_count came with 2.0)."""
    ones, twos, fours = (np.uint64(mask) for mask in (0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F))
    words = words - ((words >> np.uint64(1)) & ones)
    words = (words & twos) + ((words >> np.uint64(2)) & twos)
    words = (words + (words >> np.uint64(4))) & fours
    counts: Hashes = (words * np.uint64(0x0101010101010101)) >> np.uint64(56)
    return counts


def _alike_in_band(hash_a: Hashes, hash_b: Hashes, band: np.uint64, bits: int, *, itself: bool) -> Ints:
    """Pairs (M, 2) of photos of a and b that agree in the bits of a band, and nearly in the rest."""
    band_a, band_b = hash_a & band, hash_b & band
    order = np.lexsort((hash_b, band_b)).astype(np.int64)  # equal hashes stand together and are met first
    in_order = band_b[order]
    if itself:  # each is compared with those behind it
        rows, start = order, np.arange(1, len(order) + 1)
        end = np.searchsorted(in_order, in_order, side="right")
    else:
        rows = np.arange(len(band_a))
        start, end = (np.searchsorted(in_order, band_a, side=side) for side in ("left", "right"))
    end = np.minimum(end, start + BUCKET)
    found = [np.zeros((0, 2), np.int64)]
    for first in range(0, len(rows), _CHUNK):
        part = slice(first, first + _CHUNK)
        found += _alike_in_buckets(hash_a, hash_b[order], rows[part], start[part], end[part], bits)
    pairs = np.concatenate(found)
    pairs[:, 1] = order[pairs[:, 1]]
    return np.sort(pairs, axis=1) if itself else pairs


def _alike_in_buckets(hash_a: Hashes, hash_b: Hashes, row: Ints, at: Ints, end: Ints, bits: int) -> list[Ints]:
    """Pairs (row, place in hash_b) of photos and those of places [at, end), a slice at a time until one has enough."""
    found = []
    twins = np.zeros(len(row), np.int64)
    while len(row := row[more := (at < end) & (twins < PARTNERS)]):
        at, end, twins = at[more], end[more], twins[more]
        sizes = np.minimum(end - at, _SLICE)
        photo = np.repeat(np.arange(len(row)), sizes)
        place = np.arange(len(photo)) + np.repeat(at - (np.cumsum(sizes) - sizes), sizes)
        near = np.flatnonzero(popcount(hash_a[row[photo]] ^ hash_b[place]) <= bits)
        found.append(np.column_stack([row[photo[near]], place[near]]))
        twins += np.bincount(photo[near], minlength=len(row))
        at = at + sizes
    return found


def _few(pairs: Ints) -> Ints:
    """The pairs sorted; of a photo with many, its first PARTNERS and those that the others need."""
    span = int(pairs[:, 1].max(initial=0)) + 1
    first, second = np.divmod(np.sort(pairs[:, 0] * span + pairs[:, 1]), span)
    by_second = np.argsort(second, kind="stable")
    needed = np.zeros(len(first), bool)
    needed[by_second] = _rank(second[by_second]) < PARTNERS
    needed |= _rank(first) < PARTNERS
    return np.column_stack([first, second])[needed]


def _rank(sorted_numbers: Ints) -> Ints:
    """0, 1, 2, … within each run of equal numbers."""
    return np.arange(len(sorted_numbers)) - np.searchsorted(sorted_numbers, sorted_numbers, side="left")
