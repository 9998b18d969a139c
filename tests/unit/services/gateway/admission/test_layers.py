"""The layers that ask for room."""

from __future__ import annotations

import asyncio
import math

import pytest
from structlog.testing import capture_logs

from libs.clock import ManualClock
from libs.errors import DocuQueryError
from libs.rpc.context import Identity
from libs.rpc.deadlines import Deadline
from libs.rpc.layered import IncomingCall, Layer
from services.gateway.admission.bulkhead import Bulkhead
from services.gateway.admission.layers import bulkhead_layer, rate_limit_layer, share_layer
from services.gateway.admission.rate_classes import RateClasses
from services.gateway.admission.rate_limit import MovingWindowLimiter
from services.gateway.admission.refusals import Refusals
from services.gateway.identity.scopes import NEVER_LIMITED, REQUIRED_SCOPE

QUERY = "/docuquery.gateway.v1.DocuQueryService/Query"
UPLOAD = "/docuquery.gateway.v1.DocuQueryService/UploadDocuments"
CLOCK = ManualClock()


def incoming(
    method: str = QUERY,
    caller: str = "backend",
    *,
    rate_class: str = "",
    seconds: float = math.inf,
    until: asyncio.Event | None = None,
) -> IncomingCall:
    async def served(_call: IncomingCall) -> None:
        if until is not None:
            await until.wait()

    call = IncomingCall(method, {}, None, request_streaming=False, response_streaming=False, inward=(served,))
    call.identity = Identity("acme", caller, rate_class=rate_class)
    call.deadline = Deadline.after(seconds, CLOCK)
    return call


def limiting(default: int = 1, **named: int) -> Layer:
    limiter = MovingWindowLimiter(30, ManualClock().monotonic)
    return rate_limit_layer(limiter, RateClasses(default, named), Refusals(ManualClock()))


async def refused(layer: Layer, call: IncomingCall) -> DocuQueryError:
    with pytest.raises(DocuQueryError) as error:
        await layer(call)
    assert not call.logged, "counted, not logged one by one"
    return error.value


async def test_over_the_limit_a_call_is_refused_with_the_true_wait() -> None:
    layer = limiting()
    await layer(incoming())
    error = await refused(layer, incoming())
    assert (error.reason_name, error.retry_after_seconds) == ("RATE_LIMITED", 30)
    await layer(incoming(caller="other"))


async def test_a_rate_class_has_a_limit_of_its_own_or_none() -> None:
    layer = limiting(1, batch=3, internal=0)
    for _ in range(3):
        await layer(incoming(caller="b", rate_class="batch"))
    await refused(layer, incoming(caller="b", rate_class="batch"))
    for _ in range(20):
        await layer(incoming(caller="i", rate_class="internal"))
    await layer(incoming(caller="d"))
    await refused(layer, incoming(caller="d"))


@pytest.mark.parametrize("method", sorted(REQUIRED_SCOPE))
async def test_every_method_counts_but_those_that_show_and_change_how_the_system_is(method: str) -> None:
    layer = limiting()
    await layer(incoming(method))
    if method in NEVER_LIMITED:
        await layer(incoming(method))
    else:
        await refused(layer, incoming(method))


def room(places: int = 1, wait_seconds: float = 0) -> Bulkhead:
    return Bulkhead(places, wait_seconds, monotonic=CLOCK.monotonic, random=lambda: 0.0)


async def test_without_room_a_call_is_refused_with_a_time_to_come_back() -> None:
    layer, release = bulkhead_layer({QUERY: room()}, Refusals(ManualClock())), asyncio.Event()
    first = asyncio.create_task(layer(incoming(until=release)))
    await asyncio.sleep(0)
    error = await refused(layer, incoming())
    assert error.reason_name == "OVERLOADED"
    assert error.retry_after_seconds == pytest.approx(0.1)
    release.set()
    await first
    await layer(incoming())


async def test_a_call_does_not_wait_for_room_longer_than_it_has_time() -> None:
    layer = bulkhead_layer({QUERY: room(1, wait_seconds=60)}, Refusals(ManualClock()))
    first = asyncio.create_task(layer(incoming(until=asyncio.Event())))
    await asyncio.sleep(0)
    await refused(layer, incoming(seconds=0.05))
    first.cancel()


async def test_kinds_of_calls_do_not_share_room() -> None:
    layer = bulkhead_layer({QUERY: room(), UPLOAD: room()}, Refusals(ManualClock()))
    first = asyncio.create_task(layer(incoming(UPLOAD, until=asyncio.Event())))
    await asyncio.sleep(0)
    await layer(incoming(QUERY))
    await refused(layer, incoming(UPLOAD))
    await layer(incoming("/docuquery.gateway.v1.DocuQueryService/GetSystemStatus"))
    first.cancel()


async def test_a_caller_has_a_share_of_the_places_and_the_next_finds_one() -> None:
    rooms, release = {QUERY: room(4), UPLOAD: room(4)}, asyncio.Event()
    layer = share_layer(rooms, 0.75, Refusals(ManualClock()))
    uploads = [asyncio.create_task(layer(incoming(UPLOAD, until=release))) for _ in range(3)]
    await asyncio.sleep(0)
    error = await refused(layer, incoming(UPLOAD))
    assert error.reason_name == "RATE_LIMITED"
    assert error.retry_after_seconds == pytest.approx(0.1)
    assert "3 calls of this kind" in error.message
    await layer(incoming(QUERY))
    await layer(incoming(UPLOAD, "another"))
    uploads.pop().cancel()
    await asyncio.sleep(0)
    await layer(incoming(UPLOAD))
    release.set()
    await asyncio.gather(*uploads)
    await layer(incoming("/docuquery.gateway.v1.DocuQueryService/GetSystemStatus"))


async def test_of_a_room_that_has_shrunk_a_caller_has_its_share_of_what_is_left() -> None:
    whole, release = room(64), asyncio.Event()
    layer = share_layer({QUERY: whole}, 0.75, Refusals(ManualClock()))
    calls = [asyncio.create_task(layer(incoming(until=release))) for _ in range(10)]
    await asyncio.sleep(0)
    whole.resize(0.5)
    calls += [asyncio.create_task(layer(incoming(until=release))) for _ in range(14)]
    await asyncio.sleep(0)
    assert "24 calls of this kind" in (await refused(layer, incoming())).message
    whole.resize(1)
    calls += [asyncio.create_task(layer(incoming(until=release))) for _ in range(24)]
    await asyncio.sleep(0)
    await refused(layer, incoming())
    release.set()
    await asyncio.gather(*calls)


async def test_who_has_the_whole_share_waits_for_one_of_its_own_calls_to_end() -> None:
    layer = share_layer({UPLOAD: room(2, wait_seconds=60)}, 0.5, Refusals(ManualClock()))
    release = asyncio.Event()
    first = asyncio.create_task(layer(incoming(UPLOAD, until=release)))
    second = asyncio.create_task(layer(incoming(UPLOAD)))
    await asyncio.sleep(0.01)
    assert not second.done()
    release.set()
    await asyncio.gather(first, second)


async def test_a_caller_with_its_whole_share_is_told_how_long_calls_of_that_kind_take() -> None:
    whole = room(2)
    for _ in range(100):
        entered_at = await whole.enter(0)
        CLOCK.advance(30)
        whole.leave(entered_at)
    layer = share_layer({UPLOAD: whole}, 0.5, Refusals(ManualClock()))
    first = asyncio.create_task(layer(incoming(UPLOAD, until=asyncio.Event())))
    await asyncio.sleep(0)
    assert (await refused(layer, incoming(UPLOAD))).retry_after_seconds == pytest.approx(30, rel=0.01)
    first.cancel()


@pytest.mark.parametrize(("places", "share"), [(1, 0.1), (2, 0.75), (32, 1.0)])
async def test_a_room_of_which_the_share_is_all_is_left_to_its_bulkhead(places: int, share: float) -> None:
    layer, release = share_layer({UPLOAD: room(places)}, share, Refusals(ManualClock())), asyncio.Event()
    calls = [asyncio.create_task(layer(incoming(UPLOAD, until=release))) for _ in range(places + 1)]
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(*calls)


def test_refusals_are_told_once_a_second_with_their_number() -> None:
    clock = ManualClock()
    refusals = Refusals(clock)
    with capture_logs() as logs:
        for _ in range(100):
            refusals.note(QUERY, "bulkhead")
            clock.advance(0.02)
        clock.advance(1)
        refusals.note(QUERY, "bulkhead")
    assert [line["count"] for line in logs] == [1, 50, 50]
