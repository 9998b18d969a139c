"""How far two judges agree, and what is written down of a model's judgements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Agreement:
    """A model's yes and no beside those of a judge without one, about the same answers."""

    answers: int
    share: float
    """Of the answers about which both say the same, 0 to 1; 0 without any."""
    kappa: float | None
    """Cohen's kappa, at most 1; 0 is what chance gives. None when both always say the same one thing."""


@dataclass(frozen=True, slots=True)
class JudgeSummary:
    """What belongs to a model's judgements."""

    model: str
    """`provider:model`."""
    prompt_version: str
    prompt_sha256: str
    judged: int
    """Answers with a verdict. Refusals are not judged: there is nothing to read."""
    unreadable: int
    """Replies that were no verdict; these answers have none."""
    failed: dict[str, int]
    """Calls that failed, by what failed; these answers have no verdict either."""
    quality: Agreement
    """Its quality of 4 or 5 beside `correct`."""
    faithfulness: Agreement
    """Its faithfulness of 4 or 5 beside the outcome ANSWERED: four in five sentences are supported."""


def agreement(pairs: Sequence[tuple[bool, bool]]) -> Agreement:
    """The agreement of two judges; each pair is what they say of one answer.

    kappa = (p_o - p_e) / (1 - p_e): the share of agreement beyond that expected if each said yes as often as
    it does, but at random. Cohen, "A Coefficient of Agreement for Nominal Scales", Educational and
    Psychological Measurement 20(1), 1960.
    """
    if not pairs:
        return Agreement(0, 0.0, None)
    count = len(pairs)
    same = sum(one == two for one, two in pairs) / count
    yes_one, yes_two = sum(one for one, _ in pairs) / count, sum(two for _, two in pairs) / count
    by_chance = yes_one * yes_two + (1 - yes_one) * (1 - yes_two)
    return Agreement(count, same, (same - by_chance) / (1 - by_chance) if by_chance < 1 else None)
