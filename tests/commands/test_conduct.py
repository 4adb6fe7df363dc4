"""How a search that a command conducts is ended from outside."""

import signal
from collections.abc import Iterator

import pytest

from geotune.commands import conduct


@pytest.fixture
def own_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("own_handlers")
@pytest.mark.parametrize("ctrl_c", [signal.default_int_handler, signal.SIG_IGN])
def test_sigterm_interrupts_also_where_ctrl_c_is_ignored(ctrl_c: signal.Handlers) -> None:
    """As it is in what a script begins with `&`."""
    signal.signal(signal.SIGINT, ctrl_c)
    conduct._sigterm_as_interrupt()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
