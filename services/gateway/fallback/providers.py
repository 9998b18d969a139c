"""The list of providers, which the answer service owns and the gateway only remembers for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from libs.clock import Clock
from libs.errors import DocuQueryError
from services.gateway.breakers.registry import Breakers
from services.gateway.fallback.candidates import Candidate

log = structlog.get_logger()

REFRESH_SECONDS = 30.0
"""How old the list may grow. A provider that has gone is noticed at once, by its refusal."""

RETRY_SECONDS = 5.0
"""After a failed refresh the old list serves for so long before the next try."""


class ProviderSource(Protocol):
    """Where the list comes from."""

    async def list_providers(self) -> Sequence[Candidate]:
        """All configured providers. Raises DocuQueryError."""
        ...


class ProviderDirectory:
    """The providers, fetched on demand and kept; old ones serve while new ones cannot be had."""

    def __init__(
        self, source: ProviderSource, breakers: Breakers, clock: Clock, wanted: Sequence[str] = ()
    ) -> None:
        """`wanted`: the names in LLM_PROVIDER; the log tells of those that are not on the list."""
        self._wanted = wanted
        self._source = source
        self._breakers = breakers
        self._clock = clock
        self._known: tuple[Candidate, ...] | None = None
        self._fresh_until = 0.0
        self._fetching = asyncio.Lock()

    async def list(self) -> tuple[Candidate, ...]:
        """The providers, in the answer service's order.

        One caller at a time fetches; the others use what is known meanwhile. Raises DocuQueryError only
        while nothing is known yet.
        """
        known = self._known
        if known is not None and (self._clock.monotonic() < self._fresh_until or self._fetching.locked()):
            return known
        async with self._fetching:
            if self._known is None or self._clock.monotonic() >= self._fresh_until:
                await self._fetch()
            return self._known or ()

    def expire(self) -> None:
        """Makes the next `list` fetch anew: something suggests that the list has changed."""
        self._fresh_until = 0.0

    async def _fetch(self) -> None:
        try:
            fetched = tuple(await self._source.list_providers())
        except DocuQueryError as error:
            if self._known is None:
                raise
            log.warning("provider_list_not_refreshed", reason=error.reason_name)
            self._fresh_until = self._clock.monotonic() + RETRY_SECONDS
            return
        if fetched != self._known:
            names = [candidate.name for candidate in fetched]
            log.info("providers", names=names)
            if missing := [name for name in self._wanted if name not in names]:
                log.warning("providers_not_configured", names=missing, setting="LLM_PROVIDER")
        self._known = fetched
        self._fresh_until = self._clock.monotonic() + REFRESH_SECONDS
        self._breakers.keep_providers([candidate.target for candidate in fetched])
