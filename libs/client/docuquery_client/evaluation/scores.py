"""What single questions score, and what that comes to over all of them.

Every metric is a share: the parts of all questions divided by their wholes. A mean is the share whose wholes
are all 1; a question to which a metric does not apply has no share in it. Kept by question, the same scores
give the figure, its interval and a paired comparison.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias


class Share(NamedTuple):
    """What one question adds to a metric."""

    part: float
    """0 to `whole`."""
    whole: float
    """1 where the metric is a mean over questions; above 0."""

    @property
    def value(self) -> float:
        """The question's own figure, 0 to 1."""
        return self.part / self.whole


Scores: TypeAlias = "Mapping[str, Share]"
"""One question's shares, by metric; those that do not apply to it are missing."""


def mark(value: float) -> Share:
    """The share of a question that counts once."""
    return Share(float(value), 1.0)


def figures(scored: Iterable[Scores], names: Sequence[str]) -> dict[str, float]:
    """The metrics `names` over questions, 0 to 1; a share of nothing is 0."""
    parts, wholes = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    for scores in scored:
        for name in names:
            if name in scores:
                parts[name] += scores[name].part
                wholes[name] += scores[name].whole
    return {name: parts[name] / wholes[name] if wholes[name] else 0.0 for name in names}


def names_of(scored: Iterable[Scores]) -> tuple[str, ...]:
    """Every metric that applies to one of the questions, in the order of their first appearance."""
    return tuple(dict.fromkeys(name for scores in scored for name in scores))
