"""The command line as a user types it, in this process."""

from collections.abc import Callable

import pytest

from geotune.cli import main

Run = tuple[int, str, str]


@pytest.fixture
def geotune(capsys: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    """`geotune("data", …)` -> exit code, stdout, stderr."""

    def run(*words: object) -> Run:
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        return (int(left.value.code or 0), *capsys.readouterr())

    return run
