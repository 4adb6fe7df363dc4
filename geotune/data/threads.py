"""Work done by a few threads, in order, never far ahead of who takes it."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


def in_threads(work: Callable[[In], Out], items: Iterable[In]) -> Iterator[Out]:
    """`work` of each item, in the order of the items; stops at once when the caller does.

    For work that frees the interpreter's lock: reading files, decoding photos. Memory holds a few dozen results.
    """
    threads = min(16, os.cpu_count() or 1)
    waiting: deque[Future[Out]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= 4 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
