"""How an attempt at a trial ends."""

from enum import StrEnum


class Outcome(StrEnum):
    """How an attempt at a trial ended."""

    COMPLETE = "complete"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    INFEASIBLE = "infeasible"
    CRASHED = "crashed"


FAILED = (Outcome.DIVERGED, Outcome.INFEASIBLE, Outcome.CRASHED)
"""Endings after which the same settings, trained for longer, are not to be expected to do well."""
