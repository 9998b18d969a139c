"""Is there room for this call? First the caller's own rate limit, then the room of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
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
                wait = await limiter.acquire(f"{identity.tenant}/{identity.caller}", limit)
                if wait > 0:
                    call.logged = False
                    refusals.note(call.method, "rate_limit")
                    raise DocuQueryError(
                        reasons.ERROR_REASON_RATE_LIMITED,
                        f"Too many calls. The next one may pass in {wait:.1f} s.",
                        retry_after_seconds=wait,
                    )
        await call.proceed()

    return layer


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
        left = call.deadline.remaining() if call.deadline is not None else 0.0
        try:
            entered_at = await room.enter(left - budget.QUERY_MINIMUM_SECONDS)
        except Full as full:
            call.logged = False
            refusals.note(call.method, "bulkhead")
            raise _overloaded(full.retry_after_seconds) from None
        try:
            await call.proceed()
        finally:
            room.leave(entered_at)

    return layer
