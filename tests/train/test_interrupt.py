"""Signals end a training between two steps, once it is saved; a second one does not wait."""

import os
import signal
import threading

import pytest

from geotune.train import loop
from geotune.train.interrupt import Terminated, between_steps, orderly, stop_if_asked
from geotune.train.kept import PARTIAL, kept
from geotune.train.loop import train


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def steps(signals: list[int | None], saved: list[list[int]]) -> None:
    """One step a signal, which comes within it."""
    done: list[int] = []
    with orderly(), between_steps(lambda: saved.append(list(done))):
        for step, number in enumerate(signals):
            stop_if_asked()
            if number is not None:
                send(number)
            done.append(step)


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)])
@pytest.mark.parametrize("after", [0, 3])
def test_a_signal_waits_for_the_step(number, raised, after):
    """Also for the last one."""
    saved: list[list[int]] = []
    with pytest.raises(raised) as caught:
        steps([None, number, *[None] * after], saved)
    assert type(caught.value) is raised
    assert saved == [[0, 1]]


def test_a_second_one_does_not_wait():
    reached = []

    def impatient() -> None:
        with orderly(), between_steps(lambda: reached.append("saved")):
            send(signal.SIGINT)
            send(signal.SIGTERM)
            reached.append("the end of the step")

    with pytest.raises(Terminated):
        impatient()
    assert not reached


def test_outside_of_steps_it_comes_at_once():
    with pytest.raises(Terminated), orderly():
        send(signal.SIGTERM)


def test_an_error_in_a_step_goes_before_a_signal():
    def failing() -> None:
        with orderly(), between_steps(lambda: None):
            send(signal.SIGTERM)
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        failing()
    saved: list[list[int]] = []
    steps([None], saved)  # it is forgotten
    assert not saved


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(ValueError, match="mine"), orderly():
        raise ValueError("mine")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_in_another_thread_nothing_is_changed():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work() -> None:
        with orderly(), between_steps(lambda: None):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.parametrize("where", ["take", "_validate"])
def test_a_training_is_saved_in_mid_epoch(config, tmp_path, monkeypatch, where):
    own, calls = getattr(loop, where), []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == (6 if where == "take" else 2):
            send(signal.SIGTERM)
        return own(*arguments)

    settings = config(**{"optim.lr": 3e-3})
    straight = [epoch.metrics["valid/median_m"] for epoch in train(settings, tmp_path / "a")]
    with monkeypatch.context() as patch:
        patch.setattr(loop, where, interrupted)
        with pytest.raises(Terminated), orderly():
            list(train(settings, tmp_path / "b"))
    assert [path.name for path in kept(tmp_path / "b" / PARTIAL)] == ["2-2" if where == "take" else "4-2"]
    assert [epoch.metrics["valid/median_m"] for epoch in train(settings, tmp_path / "b")] == straight
