"""Records of shards without an index: read once from start to end, and shuffled in a buffer on the way."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from geotune.data.shards.index import warn_once
from geotune.data.shards.records import BadRecord, Record, read_records
from geotune.data.words import counted

BUFFER_BYTES = 256 * 2**20
"""The shuffle buffer also counts as full when it holds so much: photos may be large."""

OnBad = Callable[[Path, BadRecord], None]


def stream(
    shards: Sequence[Path],
    *,
    seed: int | None = None,
    epoch: int = 0,
    rank: int = 0,
    ranks: int = 1,
    worker: int = 0,
    workers: int = 1,
    buffer: int = 1024,
    start: int = 0,
    on_bad: OnBad | None = None,
) -> Iterator[Record]:
    """The records of one worker of one rank in this epoch, from the `start`-th of them on.

    All workers of all ranks together get each record once, also where shards are fewer than they are. The order is a
    function of (seed, epoch) and of who reads; without a seed it is that of the shards. Bad records go to `on_bad`,
    which by default counts them in a warning a shard. Raises GeotuneError for a shard that cannot be read.
    """
    if not (0 <= rank < ranks and 0 <= worker < workers and start >= 0 and buffer >= 1):
        raise ValueError(f"no such reader: {rank=} {ranks=} {worker=} {workers=} {start=} {buffer=}")
    reader, readers = rank * workers + worker, ranks * workers
    order = np.random.default_rng([seed, epoch]).permutation(len(shards)) if seed is not None else range(len(shards))
    parts = [(shards[order[k]], first, step) for k, first, step in _parts(len(shards), reader, readers)]
    found = _read(parts, on_bad)
    if seed is not None:
        found = _shuffled(found, buffer, np.random.default_rng([seed, epoch, reader]))
    for number, record in enumerate(found):
        if number >= start:
            yield record


def _parts(shards: int, reader: int, readers: int) -> Iterator[tuple[int, int, int]]:
    """What one of `readers` reads: (shard, i, m) for every m-th record of a shard from the i-th on.

    As long as there is a shard for each, one takes it whole; the few that are left are shared.
    """
    shared = shards % readers
    for shard in range(reader, shards - shared, readers):
        yield shard, 0, 1
    if shared:
        together = len(range(reader % shared, readers, shared))
        yield shards - shared + reader % shared, reader // shared, together


def _read(parts: Sequence[tuple[Path, int, int]], on_bad: OnBad | None) -> Iterator[Record]:
    for shard, first, step in parts:
        bad: Counter[str] = Counter()
        for number, record in enumerate(read_records(shard)):
            if number % step != first:
                continue
            if isinstance(record, Record):
                yield record
            elif on_bad:
                on_bad(shard, record)
            else:
                bad[record.reason] += 1
        if bad:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in bad.most_common())
            warn_once(f"{shard}: {counted(sum(bad.values()), 'bad record')} left out: {reasons}")


def _shuffled(records: Iterator[Record], buffer: int, rng: np.random.Generator) -> Iterator[Record]:
    """A record drawn from those that wait, whenever as many wait as the buffer holds."""
    waiting: list[Record] = []
    held = 0
    for record in records:
        waiting.append(record)
        held += record.length
        while len(waiting) > buffer or (held > BUFFER_BYTES and len(waiting) > 1):
            drawn = _draw(waiting, rng)
            held -= drawn.length
            yield drawn
    while waiting:
        yield _draw(waiting, rng)


def _draw(waiting: list[Record], rng: np.random.Generator) -> Record:
    chosen = int(rng.integers(len(waiting)))
    waiting[chosen], waiting[-1] = waiting[-1], waiting[chosen]
    return waiting.pop()
