"""The `key=value` words of a command line, whose every fault is told along with the faults of what they set."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from geotune.config.schema import Settings
from geotune.config.text import parse_value
from geotune.config.tree import Flat, build
from geotune.errors import SettingsError

S = TypeVar("S", bound=Settings)
Meant = Callable[[str], str]
"""Guesses what a word without `=` was to be, as in `data=x`; empty where nothing is near."""
Problems = list[tuple[str, str]]


def _nothing(word: str) -> str:
    return ""


def read_words(words: Iterable[str], meant: Meant = _nothing) -> tuple[Flat, Problems]:
    """`["train.epochs=3", "data=x"]` -> `{"train.epochs": 3, "data": "x"}`, and what is wrong with the words.

    No `=`, no value or a key given twice is a fault; of a key given twice the first value is taken.
    """
    flat: Flat = {}
    problems: Problems = []
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            guess = meant(word) if not equals else ""
            problems.append((word, "expected key=value" + (f"; did you mean {guess}?" if guess else "")))
        elif key in flat:
            problems.append((key, "given twice"))
        elif not text.strip():  # YAML's null can still be written out
            problems.append((key, "expected a value; got nothing"))
        else:
            flat[key] = parse_value(text)
    return flat, problems


def parse_overrides(words: Iterable[str], meant: Meant = _nothing) -> Flat:
    """As `read_words`; a fault is a SettingsError."""
    flat, problems = read_words(words, meant)
    with along_with(problems):
        return flat


def from_words(cls: type[S], words: Iterable[str], meant: Meant = _nothing) -> S:
    """A checked settings object from a command line; SettingsError with the faults of words and of values together."""
    flat, problems = read_words(words, meant)
    with along_with(problems):
        return build(cls, flat)


@contextmanager
def along_with(problems: Sequence[tuple[str, str]]) -> Iterator[None]:
    """Faults that are known already are told with those that the block raises, else after it."""
    try:
        yield
    except SettingsError as error:
        known = list(problems)
        more = [problem for problem in error.problems if problem not in known]
        raise SettingsError(known + more, "" if known else error.source, error.where) from None
    if problems:
        raise SettingsError(problems)
