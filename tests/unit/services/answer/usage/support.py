"""Usage records for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from services.answer.usage.record import UsageRecord

_ONE = UsageRecord(
    time=datetime(2026, 5, 4, 23, 59, tzinfo=UTC),
    tenant="acme",
    request_id="r-1",
    query_id="q-1",
    purpose="answer",
    provider="openai",
    model="m-1",
    result="OK",
    prompt_tokens=100,
    completion_tokens=10,
    cached_prompt_tokens=5,
    cache_write_tokens=0,
    estimated=False,
    cost_micro_usd=120,
    latency_ms=12.5,
    first_token_ms=3.25,
)


def record(**changes: Any) -> UsageRecord:
    """A record like any other, but for `changes`."""
    return replace(_ONE, **changes)
