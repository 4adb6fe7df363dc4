"""SIGTERM and Ctrl-C end a training between two steps of the optimiser, once it is saved in mid-epoch."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM came. Whatever handles Ctrl-C handles it too."""


@dataclass
class _Signals:
    """What the main thread's handler shares with the training: a process has one handler, so there is one of these."""

    stepping: bool = False
    """A training is at its steps, and will look soon."""
    came: int | None = None
    """The signal that waits for that."""


class _Stop(BaseException):
    """Leaves the steps."""


_signals = _Signals()


@contextmanager
def orderly() -> Iterator[None]:
    """Within it SIGTERM and Ctrl-C raise Terminated and KeyboardInterrupt; a training is saved before.

    A second signal does not wait. Signals reach the main thread alone: in any other one nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def between_steps(save: Callable[[], None]) -> Iterator[None]:
    """The steps of an epoch: a signal waits for the next `stop_if_asked`, or the end, and is raised after `save()`."""
    _signals.stepping = threading.current_thread() is threading.main_thread()
    try:
        yield
    except _Stop:
        pass
    finally:
        _signals.stepping, came, _signals.came = False, _signals.came, None
    if came is not None:
        save()
        raise _error(came)


def stop_if_asked() -> None:
    """Between two steps: leave them if a signal waits."""
    if _signals.came is not None:
        raise _Stop


def _note(number: int, frame: FrameType | None) -> None:
    if _signals.stepping and _signals.came is None:
        _signals.came = number
        return
    raise _error(number)


def _error(number: int) -> KeyboardInterrupt:
    return Terminated() if number == signal.SIGTERM else KeyboardInterrupt()
