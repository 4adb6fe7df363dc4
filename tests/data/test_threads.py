import threading

import pytest

from geotune.data.threads import in_threads


def test_results_come_in_order() -> None:
    assert list(in_threads(lambda n: n * n, range(500))) == [n * n for n in range(500)]
    assert list(in_threads(lambda n: n, [])) == []


def test_it_runs_only_a_little_ahead_and_stops_with_its_caller() -> None:
    begun: list[int] = []
    results = in_threads(lambda n: begun.append(n) or n, range(10_000))
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    after = len(begun)
    assert after <= 64
    assert threading.active_count() < 16
    assert len(begun) == after


def test_a_fault_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        list(in_threads(lambda n: 1 // n, [1, 0]))
