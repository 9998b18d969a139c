"""Whether a run of `make bench` is worse than another.

    python -m benchmarks.compare BASELINE NEW [--tolerance 0.3] [--any-machine]

A figure is a regression when its median is worse by more than the tolerance and, beyond the noise, its best
round is worse than the baseline's worst one. Ends with 1 when there is one, or when a figure of the baseline
is not there any more; with 2 when the two cannot be compared: reports of different machines or conditions,
unless --any-machine says that their figures are to be compared all the same.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import IDENTITY
from benchmarks.measurement import Measurement
from benchmarks.report import Report, figure, read

TOLERANCE = 0.3


@dataclass(frozen=True, slots=True)
class Change:
    """One figure in both runs."""

    part: str
    before: Measurement
    after: Measurement

    @property
    def ratio(self) -> float:
        """By how much of the baseline it is worse; below 0: better. Infinity where the baseline is 0."""
        worse = self.before.median - self.after.median
        if not self.before.higher_is_better:
            worse = -worse
        if self.before.median == 0:
            return 0.0 if worse == 0 else float("inf") if worse > 0 else float("-inf")
        return worse / abs(self.before.median)

    @property
    def beyond_spread(self) -> bool:
        """Whether the best round now is worse than the worst one then."""
        if self.before.higher_is_better:
            return self.after.high < self.before.low
        return self.after.low > self.before.high

    def is_regression(self, tolerance: float) -> bool:
        """Worse beyond both the tolerance and the spread."""
        return self.before.higher_is_better is not None and self.ratio > tolerance and self.beyond_spread

    def __str__(self) -> str:
        before, after = figure(self.before.median), figure(self.after.median)
        direction = "worse" if self.ratio > 0 else "better"
        return (
            f"{self.part}: {self.before.name}: {before} to {after} {self.before.unit} "
            f"({abs(self.ratio):.0%} {direction})"
        )


def differences(before: Report, after: Report) -> list[str]:
    """Why the two are not to be compared, a sentence each."""
    found = [
        f"{name}: {before.machine.get(name)} then, {after.machine.get(name)} now"
        for name in IDENTITY
        if before.machine.get(name) != after.machine.get(name)
    ]
    names = dict.fromkeys((*before.conditions, *after.conditions))
    return found + [
        f"{name}: {before.conditions.get(name)} then, {after.conditions.get(name)} now"
        for name in names
        if before.conditions.get(name) != after.conditions.get(name)
    ]


def changes(before: Report, after: Report) -> Iterator[Change]:
    """The figures both have."""
    now = after.by_name
    for (part, name), one in before.by_name.items():
        if (part, name) in now:
            yield Change(part, one, now[part, name])


def missing(before: Report, after: Report) -> list[str]:
    """The figures of the baseline that were not measured again."""
    return [f"{part}: {name}" for part, name in before.by_name if (part, name) not in after.by_name]


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the arguments (None: those of the process), prints, returns the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks.compare")
    parser.add_argument("baseline", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help="as a share of the baseline")
    parser.add_argument(
        "--any-machine", action="store_true", help="compare whatever the reports were made on"
    )
    options = parser.parse_args(arguments)
    try:
        before, after = read(options.baseline), read(options.new)
    except (OSError, KeyError, ValueError) as error:
        parser.error(f"a report cannot be read: {error}")
    apart = differences(before, after)
    if apart and not options.any_machine:
        print(
            "The reports were made on different machines or under different conditions:", *apart, sep="\n  "
        )
        print("Make both on one machine with the same options, or compare all the same with --any-machine.")
        return 2
    both = list(changes(before, after))
    worse = [change for change in both if change.is_regression(options.tolerance)]
    for change in worse:
        print(f"REGRESSION  {change}")
    gone = missing(before, after)
    for name in gone:
        print(f"MISSING     {name}")
    print(
        f"{len(both)} figures compared; {len(worse)} worse by {options.tolerance:.0%} and beyond the spread"
    )
    return 1 if worse or gone else 0


if __name__ == "__main__":
    sys.exit(main())
