"""AdminService: an operator's calls."""

from __future__ import annotations

from docuquery.gateway.v1 import admin_service_pb2 as admin
from docuquery.gateway.v1.admin_service_pb2_grpc import AdminServiceServicer
from libs.clock import Clock
from libs.rpc.context import current_call
from services.gateway.breakers.registry import Breakers
from services.gateway.status.convert import breaker_to_proto, override_from_proto, override_seconds
from services.gateway.validation.requests import Rules


class AdminServicer(AdminServiceServicer):
    """The admin RPCs; each needs the scope `admin`."""

    def __init__(self, breakers: Breakers, rules: Rules, clock: Clock) -> None:
        self._breakers = breakers
        self._rules = rules
        self._clock = clock

    async def OverrideBreaker(
        self, request: admin.OverrideBreakerRequest, _context: object
    ) -> admin.OverrideBreakerResponse:
        self._rules.override_breaker(request)
        snapshot = self._breakers.override(
            request.target,
            override_from_proto(request.override),
            seconds=override_seconds(request),
            by=current_call().identity.caller,
        )
        return admin.OverrideBreakerResponse(
            breaker=breaker_to_proto(request.target, snapshot, self._clock.now())
        )
