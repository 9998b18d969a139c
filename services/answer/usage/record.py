"""One attempt at a provider, as it is written down: numbers and names, never a question or a text."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

SUCCEEDED = "OK"
"""The result of an attempt that gave a whole answer."""


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """A line of the usage log."""

    time: datetime
    """When the attempt ended, in UTC."""
    tenant: str
    request_id: str
    query_id: str
    """Empty for a rewritten question."""
    purpose: str
    """`answer` or `rewrite`."""
    provider: str
    model: str
    result: str
    """SUCCEEDED, or the reason it failed (`PROVIDER_TIMEOUT`, `CALLER_CANCELLED`, ...)."""
    prompt_tokens: int
    completion_tokens: int
    cached_prompt_tokens: int
    cache_write_tokens: int
    estimated: bool
    """The provider did not report them; a failed attempt never gets to that."""
    cost_micro_usd: int | None
    """None when the model's price is not known."""
    latency_ms: float
    first_token_ms: float | None = None
    """None when no text came."""


def to_line(record: UsageRecord) -> str:
    """The record as one line of JSON, with its line end."""
    document = {**asdict(record), "time": record.time.isoformat(timespec="milliseconds")}
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")) + "\n"


def from_line(line: str) -> UsageRecord:
    """The record `to_line` wrote; fields of a newer program are passed over. Raises ValueError."""
    try:
        document: dict[str, Any] = json.loads(line)
        known = {name: document[name] for name in UsageRecord.__slots__ if name in document}
        record = UsageRecord(**{**known, "time": datetime.fromisoformat(document["time"])})
        numbers = (record.prompt_tokens, record.completion_tokens, record.cost_micro_usd or 0)
        names = (record.tenant, record.provider, record.model, record.result)
        if not all(isinstance(n, int) for n in numbers) or not all(isinstance(n, str) for n in names):
            raise TypeError("a field has the wrong type")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"not a line of a usage log: {type(error).__name__}") from None
    return record
