"""Figures beside what they must reach, as a table: the median of several rounds, and their range."""

import statistics
from collections.abc import Collection, Mapping, Sequence


def table(
    every: Mapping[str, Sequence[float]],
    targets: Mapping[str, float],
    at_most: Collection[str],
    what: Mapping[str, str],
) -> dict[str, float]:
    """Print a line for each figure of `targets` that was taken -> its median over the rounds.

    Those of `at_most` must not be above their target, all others not below it; `what` says what they are.
    """
    found = {name: statistics.median(every[name]) for name in targets if name in every}
    print("\n  figure          median   range             target", flush=True)
    for name, median in found.items():
        met = median <= targets[name] if name in at_most else median >= targets[name]
        wanted = f"{'<=' if name in at_most else '>='} {targets[name]:g}{'' if met else '  MISSED'}"
        low, high = min(every[name]), max(every[name])
        print(f"  {name:<13} {median:>8.3f}   {low:>6.3f} to {high:<7.3f} {wanted:<16} {what[name]}", flush=True)
    return found
