"""An action repeated in a thread of its own while a block runs."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeated(action: Callable[[], None], seconds: float, name: str) -> Iterator[None]:
    """Call `action` every so many seconds until the block ends; the thread never keeps the process alive.

    An error (of a file server that hiccups, say) does not end it: the next time may go well. It is logged once.
    """
    over = threading.Event()

    def repeat() -> None:
        told = ""
        while not over.wait(seconds):
            try:
                action()
            except Exception as error:
                if told != repr(error):
                    told = repr(error)
                    logging.getLogger(__name__).warning("%s: %s", name, told, exc_info=True)

    thread = threading.Thread(target=repeat, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=5)
