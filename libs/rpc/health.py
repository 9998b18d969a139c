"""What a health check answers, by the name it asks for.

    ""           whether this server takes calls; what load-balancing clients watch
    <service>    the same, for each of its services
    liveness     that the event loop turns: SERVING from start to end, in a drain too
    readiness    whether calls should be sent here: it takes them, and what it needs is there

Liveness and readiness are apart because they ask for different cures: a process that is not alive is to be
replaced, one that is not ready is to be left alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from grpc_health.v1.health import aio
from grpc_health.v1.health_pb2 import HealthCheckResponse

LIVENESS = "liveness"
READINESS = "readiness"

_SERVING, _NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


class Health:
    """The state of one server. Nothing but liveness is SERVING until told."""

    def __init__(self, services: Sequence[str], *, ready: bool) -> None:
        self.servicer = aio.HealthServicer()
        self._names = ("", *services)
        self._serving = False
        self._ready = ready

    async def start(self) -> None:
        """Says NOT_SERVING for everything but liveness; must come before the first call."""
        await self.servicer.set(LIVENESS, _SERVING)
        await self.set_serving(False)

    async def set_serving(self, serving: bool) -> None:
        """Whether the server takes calls."""
        self._serving = serving
        for name in self._names:
            await self.servicer.set(name, _SERVING if serving else _NOT_SERVING)
        await self._tell_readiness()

    async def set_ready(self, ready: bool) -> None:
        """Whether what the server needs is there; readiness says so while it takes calls."""
        self._ready = ready
        await self._tell_readiness()

    async def _tell_readiness(self) -> None:
        await self.servicer.set(READINESS, _SERVING if self._serving and self._ready else _NOT_SERVING)
