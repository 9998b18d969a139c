"""One service behind the gateway: the way to it, and the breaker every call passes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import grpc

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from libs.rpc import client
from libs.rpc.reachability import Reachability
from libs.rpc.status import unavailable
from services.gateway import budget
from services.gateway.breakers.breaker import Permit
from services.gateway.breakers.model import IGNORED, SUCCESS, OutcomeKind, Refused
from services.gateway.breakers.registry import Breakers, circuit_open, service_target
from services.gateway.fallback.classification import is_bare, judge_service

_TOGETHER_SECONDS = 0.1
"""Calls under way to a replica that fail within so long have broken together, with its connection."""

Req = TypeVar("Req")
Res = TypeVar("Res")


@dataclass(frozen=True, slots=True)
class Link:
    """The way to one service."""

    name: str
    channel: grpc.aio.Channel
    reachability: Reachability
    replicated: bool
    """Whether there may be several of it."""


class Guard:
    """Puts the calls to one service behind its breaker."""

    def __init__(self, link: Link, breakers: Breakers) -> None:
        self._service = link.name
        self._reachability = link.reachability
        self._replicated = link.replicated
        self._failed_at = -math.inf
        self._target = service_target(link.name)
        self._breaker = breakers.get(self._target)
        link.reachability.on_change(self._reachability_changed)

    def _reachability_changed(self, there: bool) -> None:
        if there:
            # Connected and SERVING: better evidence than that the time is up.
            self._breaker.recover()

    @contextmanager
    def watch(self, seconds: float) -> Iterator[Permit]:
        """Around one call that may take `seconds`. Raises CIRCUIT_OPEN, and what the call raises.

        A long stream may report on the permit before its end (`Permit.accepted`).
        """
        try:
            permit = self._breaker.acquire(seconds)
        except Refused as refusal:
            raise circuit_open(self._target, refusal) from None
        began = _now()
        with permit:
            try:
                yield permit
            except DocuQueryError as error:
                outcome = judge_service(error, self._service, seconds)
                if outcome.kind is OutcomeKind.FAILURE and self._is_counted(began):
                    outcome = IGNORED
                permit.report(outcome)
                cancelled = error.reason == reasons.ERROR_REASON_CALLER_CANCELLED
                if cancelled and is_bare(error, self._service):
                    # Not we have cancelled (that is a CancelledError): the service dropped the call.
                    raise unavailable(self._service) from error
                raise
            permit.report(SUCCESS)

    def _is_counted(self, began: float) -> bool:
        """Whether the failure of a call that began then has been counted with another's.

        All calls to a replica that dies break at once: one by one they would open the breaker for those that
        live.
        """
        if not (self._replicated and self._reachability.is_reachable):
            return False
        now = _now()
        if began < self._failed_at and now - self._failed_at < _TOGETHER_SECONDS:
            return True
        self._failed_at = now
        return False

    async def bridge(self, seconds: float) -> float:
        """Waits a moment for a service that is not there; to be awaited inside `watch`.

        Returns what is left of `seconds`, the time the call may take. One that is restarted is back in a
        moment, and a call need not fail for that. For one that has gone the breaker soon ends the waiting.
        """
        if self._reachability.is_reachable:
            return seconds
        began = _now()
        await self._reachability.wait(min(budget.BRIDGE_SECONDS, seconds))
        return max(0.0, seconds - (_now() - began))

    async def unary(
        self, method: grpc.aio.UnaryUnaryMultiCallable[Req, Res], request: Req, seconds: float
    ) -> Res:
        """One unary call. Raises DocuQueryError."""
        with self.watch(seconds):
            left = await self.bridge(seconds)
            return await client.unary(method, request, service=self._service, timeout_seconds=left)

    async def optional(
        self, method: grpc.aio.UnaryUnaryMultiCallable[Req, Res], request: Req, seconds: float
    ) -> Res:
        """`unary` for what a query can do without: nobody waits for a service that is not there."""
        if not self._reachability.is_reachable:
            raise unavailable(self._service)
        return await self.unary(method, request, seconds)


def _now() -> float:
    return asyncio.get_running_loop().time()
