"""Measures every attempt at a provider, whichever way it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import Clock
from libs.errors import DocuQueryError, reason_name
from services.answer.model import NO_TOKENS, TokenUsage
from services.answer.providers.errors import Phase
from services.answer.providers.protocol import (
    EXTRACTIVE_ADAPTER,
    Finished,
    Provider,
    ProviderEvent,
    ProviderRequest,
    TextDelta,
)
from services.answer.tokens import cost_micro_usd, estimate_usage
from services.answer.usage.log_file import UsageSink
from services.answer.usage.record import SUCCEEDED, UsageRecord


@dataclass(frozen=True, slots=True)
class Subject:
    """What an attempt is for."""

    tenant: str
    query_id: str
    purpose: str
    """`answer` or `rewrite`."""


class Metering:
    """Passes a provider's stream on, with usage filled in, and tells the sink what it took."""

    def __init__(self, sink: UsageSink, clock: Clock) -> None:
        self._sink = sink
        self._clock = clock

    async def stream(
        self, provider: Provider, request: ProviderRequest, timeout_seconds: float, subject: Subject
    ) -> AsyncGenerator[ProviderEvent, None]:
        """`provider.stream`, but for usage: estimated and marked so where the provider reports none."""
        began = self._clock.monotonic()
        pieces: list[str] = []
        first_token_ms: float | None = None
        result, usage = SUCCEEDED, NO_TOKENS
        is_model = provider.adapter != EXTRACTIVE_ADAPTER

        def so_far() -> TokenUsage:
            return estimate_usage(request.prompt, "".join(pieces)) if is_model else NO_TOKENS

        try:
            async with aclosing(provider.stream(request, timeout_seconds)) as events:
                async for event in events:
                    if isinstance(event, TextDelta):
                        if first_token_ms is None:
                            first_token_ms = self._since(began)
                        pieces.append(event.text)
                    elif isinstance(event, Finished):
                        usage = event.usage or so_far()
                        event = replace(event, usage=usage)
                    yield event
        except DocuQueryError as error:
            result = error.reason_name
            # What was refused at the door is not charged for; of the rest nobody says what it cost.
            opened = error.metadata.get("phase", Phase.OPENING.value) != Phase.OPENING.value
            usage = so_far() if opened else NO_TOKENS
            raise
        except (asyncio.CancelledError, GeneratorExit):
            if usage is NO_TOKENS and is_model:
                result, usage = reason_name(reasons.ERROR_REASON_CALLER_CANCELLED), so_far()
            raise
        finally:
            self._sink.record(self._record(provider, subject, result, usage, began, first_token_ms))

    def _record(
        self,
        provider: Provider,
        subject: Subject,
        result: str,
        usage: TokenUsage,
        began: float,
        first_token_ms: float | None,
    ) -> UsageRecord:
        return UsageRecord(
            time=self._clock.now(),
            tenant=subject.tenant,
            request_id=str(structlog.contextvars.get_contextvars().get("request_id", "")),
            query_id=subject.query_id,
            purpose=subject.purpose,
            provider=provider.name,
            model=provider.model,
            result=result,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cached_prompt_tokens=usage.cached_prompt_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            estimated=usage.estimated,
            cost_micro_usd=cost_micro_usd(usage, provider.capabilities),
            latency_ms=self._since(began),
            first_token_ms=first_token_ms,
        )

    def _since(self, moment: float) -> float:
        return round((self._clock.monotonic() - moment) * 1000, 3)
