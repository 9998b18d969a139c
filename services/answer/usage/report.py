"""Sums of a usage log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from services.answer.usage.record import SUCCEEDED, UsageRecord

FIELDS = ("day", "tenant", "provider", "model", "purpose")
"""What can be summed by; days are those of UTC."""


@dataclass(slots=True)
class Sum:
    """Totals of some attempts."""

    attempts: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: int = 0
    """Attempts whose tokens are an estimate."""
    cost_micro_usd: int = 0
    """Of the attempts whose price is known."""
    unpriced: int = 0
    """Attempts with tokens and no known price: the real cost is higher."""

    def add(self, record: UsageRecord) -> None:
        """Counts one attempt in."""
        self.attempts += 1
        self.failed += record.result != SUCCEEDED
        self.prompt_tokens += record.prompt_tokens
        self.completion_tokens += record.completion_tokens
        self.estimated += record.estimated
        if record.cost_micro_usd is not None:
            self.cost_micro_usd += record.cost_micro_usd
        elif record.prompt_tokens or record.completion_tokens:
            self.unpriced += 1


@dataclass(frozen=True, slots=True)
class CostReport:
    """Sums by the chosen fields."""

    by: tuple[str, ...]
    """Some of FIELDS."""
    rows: Sequence[tuple[tuple[str, ...], Sum]]
    """(values of `by`, their sum), in the order of the values."""
    total: Sum = field(default_factory=Sum)


def summarise(records: Iterable[UsageRecord], by: Sequence[str]) -> CostReport:
    """Sums the records; `by` names at least one of FIELDS."""
    sums: dict[tuple[str, ...], Sum] = {}
    total = Sum()
    for record in records:
        total.add(record)
        sums.setdefault(tuple(_value(record, name) for name in by), Sum()).add(record)
    return CostReport(tuple(by), sorted(sums.items(), key=lambda item: item[0]), total)


def _value(record: UsageRecord, name: str) -> str:
    return record.time.date().isoformat() if name == "day" else str(getattr(record, name))
