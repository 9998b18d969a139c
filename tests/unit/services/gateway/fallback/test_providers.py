"""The remembered list of providers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import ManualClock
from libs.errors import DocuQueryError
from services.gateway.breakers.model import BreakerPolicy
from services.gateway.breakers.registry import Breakers
from services.gateway.fallback.candidates import Candidate
from services.gateway.fallback.providers import REFRESH_SECONDS, RETRY_SECONDS, ProviderDirectory
from tests.unit.services.gateway.support import candidate

DEAD = DocuQueryError(reasons.ERROR_REASON_SERVICE_UNAVAILABLE, "Not reachable.")


class Source:
    """Offers what it is told, or fails."""

    def __init__(self) -> None:
        self.offered: Sequence[Candidate] | DocuQueryError = (candidate("a"), candidate("b"))
        self.fetches = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def list_providers(self) -> Sequence[Candidate]:
        self.fetches += 1
        await self.gate.wait()
        if isinstance(self.offered, DocuQueryError):
            raise self.offered
        return self.offered


class Bench:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.source = Source()
        self.breakers = Breakers(BreakerPolicy(), monotonic=self.clock.monotonic, random=lambda: 0.5)
        self.directory = ProviderDirectory(self.source, self.breakers, self.clock)

    async def names(self) -> list[str]:
        return [known.name for known in await self.directory.list()]


async def test_the_list_is_fetched_once_and_kept_for_its_time() -> None:
    bench = Bench()
    assert await bench.names() == ["a", "b"]
    bench.clock.advance(REFRESH_SECONDS - 0.1)
    await bench.names()
    assert bench.source.fetches == 1
    bench.source.offered = (candidate("c"),)
    bench.clock.advance(0.1)
    assert await bench.names() == ["c"]


async def test_a_provider_that_is_wanted_and_not_offered_is_told_once() -> None:
    bench = Bench()
    directory = ProviderDirectory(bench.source, bench.breakers, bench.clock, wanted=("a", "opnai"))
    with capture_logs() as logs:
        await directory.list()
        directory.expire()
        await directory.list()
    told = [line["names"] for line in logs if line["event"] == "providers_not_configured"]
    assert told == [["opnai"]]


async def test_expiring_fetches_anew() -> None:
    bench = Bench()
    await bench.names()
    bench.source.offered = (candidate("c"),)
    bench.directory.expire()
    assert await bench.names() == ["c"]


async def test_every_provider_on_the_list_has_a_breaker_before_its_first_call() -> None:
    bench = Bench()
    await bench.names()
    assert list(bench.breakers.snapshots()) == ["provider:a/a-model", "provider:b/b-model"]


async def test_while_nothing_is_known_a_failure_is_the_caller_s() -> None:
    bench = Bench()
    bench.source.offered = DEAD
    with pytest.raises(DocuQueryError):
        await bench.names()
    bench.source.offered = (candidate("a"),)
    assert await bench.names() == ["a"]


async def test_the_old_list_serves_while_a_new_one_cannot_be_had() -> None:
    bench = Bench()
    await bench.names()
    bench.source.offered = DEAD
    bench.clock.advance(REFRESH_SECONDS)
    assert await bench.names() == ["a", "b"]
    assert await bench.names() == ["a", "b"]
    assert bench.source.fetches == 2, "a failed refresh is not repeated for every query"
    bench.clock.advance(RETRY_SECONDS)
    bench.source.offered = (candidate("c"),)
    assert await bench.names() == ["c"]


async def test_while_one_caller_fetches_the_others_use_what_is_known() -> None:
    bench = Bench()
    await bench.names()
    bench.directory.expire()
    bench.source.gate.clear()
    fetching = asyncio.create_task(bench.names())
    await asyncio.sleep(0)
    assert await bench.names() == ["a", "b"]
    bench.source.offered = (candidate("c"),)
    bench.source.gate.set()
    assert await fetching == ["c"]
    assert bench.source.fetches == 2


async def test_the_first_callers_share_one_fetch() -> None:
    bench = Bench()
    assert await asyncio.gather(*(bench.names() for _ in range(10))) == [["a", "b"]] * 10
    assert bench.source.fetches == 1
