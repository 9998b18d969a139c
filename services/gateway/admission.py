"""Is there room for this call? At present: the caller's own rate limit."""

from __future__ import annotations

from typing import Protocol

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from libs.rpc.layered import IncomingCall, Layer
from services.gateway.scopes import NEVER_LIMITED


class RateLimiter(Protocol):
    """Counts a caller's calls; asynchronous, because replicas may share the count."""

    async def acquire(self, caller: str) -> float:
        """0 when the call may pass, and then it counts; else the seconds until one may."""
        ...


def rate_limit_layer(limiter: RateLimiter) -> Layer:
    """Refuses calls over the caller's limit with RATE_LIMITED and the true time to wait.

    Limits hold for each caller of each tenant. It runs when the caller is known.
    """

    async def layer(call: IncomingCall) -> None:
        if call.identity is not None and call.method not in NEVER_LIMITED:
            wait = await limiter.acquire(f"{call.identity.tenant}/{call.identity.caller}")
            if wait > 0:
                raise DocuQueryError(
                    reasons.ERROR_REASON_RATE_LIMITED,
                    f"Too many calls. The next one may pass in {wait:.1f} s.",
                    retry_after_seconds=wait,
                )
        await call.proceed()

    return layer
