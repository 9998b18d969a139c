"""Is there room for this call? First the caller's own rate limit and share, then the room of its kind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from libs.rpc.context import Identity
from libs.rpc.layered import Gate, IncomingCall, Layer
from services.gateway import budget
from services.gateway.admission.bulkhead import Bulkhead, Full
from services.gateway.admission.rate_classes import RateClasses
from services.gateway.admission.refusals import Refusals
from services.gateway.identity.scopes import NEVER_LIMITED


class RateLimiter(Protocol):
    """Counts a caller's calls; asynchronous, because replicas may share the count."""

    async def acquire(self, caller: str, limit: int) -> float:
        """0 when the call may pass, and then it counts; else the seconds until one may."""
        ...


def rate_limit_layer(limiter: RateLimiter, classes: RateClasses, refusals: Refusals) -> Layer:
    """Refuses calls over the caller's limit with RATE_LIMITED and the true time to wait.

    Limits hold for each caller of each tenant. It runs when the caller is known.
    """

    async def layer(call: IncomingCall) -> None:
        identity = call.identity
        if identity is not None and call.method not in NEVER_LIMITED:
            limit = classes.limit_of(identity.rate_class)
            if limit > 0:
                wait = await limiter.acquire(_named(identity), limit)
                if wait > 0:
                    call.logged = False
                    refusals.note(call.method, "rate_limit", identity)
                    raise DocuQueryError(
                        reasons.ERROR_REASON_RATE_LIMITED,
                        f"Too many calls. The next one may pass in {wait:.1f} s.",
                        retry_after_seconds=wait,
                    )
        await call.proceed()

    return layer


def share_layer(rooms: Mapping[str, Bulkhead], share: float, refusals: Refusals) -> Layer:
    """Gives each caller of each tenant a part of each room; RATE_LIMITED when that is full and stays so.

    share: That part of the room's present size, in (0, 1], rounded up to whole places. A room of which it is
    all is left alone.
    """
    parts: dict[tuple[Bulkhead, str], Bulkhead] = {}

    async def layer(call: IncomingCall) -> None:
        room, identity = rooms.get(call.method), call.identity
        if room is None or identity is None or math.ceil(room.places * share) == room.places:
            await call.proceed()
            return
        held = (room, _named(identity))
        part = parts.get(held) or parts.setdefault(held, room.part())
        part.limit_to(math.ceil(room.limit * share))
        try:
            entered_at = await part.enter(_patience(call))
        except Full as full:
            call.logged = False
            refusals.note(call.method, "caller_share", identity)
            wait = full.retry_after_seconds
            raise DocuQueryError(
                reasons.ERROR_REASON_RATE_LIMITED,
                f"This caller has {part.inside} calls of this kind under way, as many as one may have. "
                f"Call again when one has ended, or in {wait:.1f} s.",
                retry_after_seconds=wait,
            ) from None
        try:
            await call.proceed()
        finally:
            part.leave(entered_at)
            if not part.inside:
                parts.pop(held, None)

    return layer


def _named(identity: Identity) -> str:
    return f"{identity.tenant}/{identity.caller}"


def _patience(call: IncomingCall) -> float:
    """Seconds a call can wait and still be of use."""
    left = call.deadline.remaining() if call.deadline is not None else 0.0
    return left - budget.QUERY_MINIMUM_SECONDS


def _overloaded(retry_after_seconds: float) -> DocuQueryError:
    return DocuQueryError(
        reasons.ERROR_REASON_OVERLOADED,
        f"The server has no room for this call now. Try again in {retry_after_seconds:.1f} s.",
        retry_after_seconds=retry_after_seconds,
    )


def shedding_gate(rooms: Mapping[str, Bulkhead], refusals: Refusals) -> Gate:
    """Refuses calls whose room is full, queue and all, before anything is done for them.

    Under overload most calls are refused: what that costs decides what is left for the others.
    """

    def gate(method: str) -> DocuQueryError | None:
        room = rooms.get(method)
        if room is None or not room.is_full:
            return None
        refusals.note(method, "full")
        return _overloaded(room.retry_after())

    return gate


def bulkhead_layer(rooms: Mapping[str, Bulkhead], refusals: Refusals) -> Layer:
    """Refuses calls for which there is no room with OVERLOADED; `rooms` by full method name.

    It comes after the rate limit: a caller far over its own limit must not fill the queue of the others.
    """

    async def layer(call: IncomingCall) -> None:
        room = rooms.get(call.method)
        if room is None:
            await call.proceed()
            return
        try:
            entered_at = await room.enter(_patience(call))
        except Full as full:
            call.logged = False
            refusals.note(call.method, "bulkhead")
            raise _overloaded(full.retry_after_seconds) from None
        try:
            await call.proceed()
        finally:
            room.leave(entered_at)

    return layer
