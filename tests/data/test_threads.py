import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from geotune.data import threads
from geotune.data.threads import Room, in_threads, lease, local_cpus, pool, set_lease


@pytest.fixture(autouse=True)
def _lease() -> Iterator[None]:
    yield
    set_lease(None)


def test_results_come_in_order() -> None:
    assert list(in_threads(lambda n: n * n, range(500))) == [n * n for n in range(500)]
    assert list(in_threads(lambda n: n, [])) == []


def test_it_runs_only_a_little_ahead_and_stops_with_its_caller() -> None:
    begun: list[int] = []
    results = in_threads(lambda n: begun.append(n) or n, range(10_000))
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    after = len(begun)
    assert after <= 4 * lease() + 1
    assert len(begun) == after


def test_a_fault_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        list(in_threads(lambda n: 1 // n, [1, 0]))


def test_the_lease_is_the_machine_until_it_is_said() -> None:
    assert lease() == local_cpus()
    assert 1 <= local_cpus() <= (os.cpu_count() or 1)
    set_lease(3)
    assert lease() == 3
    with pytest.raises(ValueError, match="0 CPUs"):
        set_lease(0)


def test_the_pool_follows_the_lease_and_is_shared() -> None:
    set_lease(2)
    first = pool()
    assert pool() is first
    barrier = threading.Barrier(2)
    assert len({f.result() for f in [first.submit(barrier.wait, 10) for _ in range(2)]}) == 2, "two work at once"
    set_lease(1)
    assert pool() is not first
    assert pool().submit(lambda: 1).result() == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_gets_threads_of_its_own() -> None:
    assert pool().submit(lambda: 1).result() == 1
    child = os.fork()
    if child == 0:
        os._exit(0 if pool().submit(lambda: 7).result(timeout=10) == 7 else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_quotas_of_all_groups_above_count(tmp_path: Path) -> None:
    group = tmp_path / "slice" / "job"
    group.mkdir(parents=True)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert list(threads._quotas(tmp_path, "/slice/job")) == []
    (tmp_path / "slice" / "cpu.max").write_text("250000 100000\n")
    (group / "cpu.max").write_text("400000 100000\n")
    assert list(threads._quotas(tmp_path, "/slice/job")) == [4.0, 2.5]
    assert list(threads._quotas(tmp_path, "/")) == []


def test_quotas_of_the_old_kind_count(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert list(threads._quotas(tmp_path, "/")) == []
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("150000\n")
    assert list(threads._quotas(tmp_path, "/")) == [1.5]
    (tmp_path / "cpu.max").write_text("rubbish")
    assert list(threads._quotas(tmp_path, "/")) == [1.5]


def test_a_room_holds_so_much_and_what_is_larger_alone() -> None:
    room, lock = Room(10), threading.Lock()
    inside: list[int] = []
    seen: list[tuple[int, ...]] = []

    def hold(amount: int) -> None:
        for _ in range(50):
            with room.of(amount):
                with lock:
                    inside.append(amount)
                    seen.append(tuple(inside))
                with lock:
                    inside.remove(amount)

    threads = [threading.Thread(target=hold, args=(amount,)) for amount in (1, 3, 4, 6, 9, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 300
    assert all(sum(held) <= 10 or held == (25,) for held in seen)


def test_a_room_is_left_by_a_fault_too() -> None:
    room = Room(1)
    with pytest.raises(ValueError, match="fault"), room.of(1):
        raise ValueError("fault")
    with room.of(1):
        pass
