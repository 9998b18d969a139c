"""Services as child processes: started together, watched, stopped in order. Knows no service by name."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
from grpc_health.v1 import health_pb2

from docuquery_client.connection import open_channel
from docuquery_client.processes import LineCallback, ManagedProcess
from docuquery_client.tls import Tls

START_TIMEOUT_SECONDS = 60.0
"""Time for all services to be healthy; a cold start on a small machine takes a few seconds."""

STOP_GRACE_SECONDS = 15.0
"""Before SIGKILL: the services' own drain time (10 s by default) and some."""

_POLL_SECONDS = 0.05
_REPORTED_LINES = 20


class StackError(Exception):
    """The services could not be started, or one of them ended. The text is for people."""


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service to run."""

    name: str
    command: tuple[str, ...]
    address: str
    """`host:port` at which it answers health checks."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Its whole environment."""
    cwd: Path | None = None
    """Its working folder; None: this process's."""
    tls: Tls | None = None
    """How it is called; None: without TLS."""


class Stack:
    """Services running as child processes. An async context manager that stops them."""

    def __init__(self, specs: Sequence[ServiceSpec], *, on_line: LineCallback | None = None) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._on_line = on_line
        self.processes: dict[str, ManagedProcess] = {}
        """The process of each service, by name: `pid`, `returncode`, `lines`, `kill()`."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def addresses(self) -> dict[str, str]:
        """`host:port` of each service, by name, in the order they were started."""
        return {name: spec.address for name, spec in self._specs.items()}

    async def start(self) -> None:
        """Starts every service, without waiting for its health. Raises StackError."""
        for name in self._specs:
            await self.start_service(name)

    async def start_service(self, name: str) -> ManagedProcess:
        """Starts one service, or starts it again after its end, at the same address. Raises StackError."""
        former = self.processes.get(name)
        if former is not None:
            if former.returncode is None:
                raise StackError(f"{name} is running already (pid {former.pid}).")
            await former.wait()
        spec = self._specs[name]
        try:
            process = await ManagedProcess.start(name, spec.command, spec.env, self._on_line, spec.cwd)
        except OSError as error:
            raise StackError(f"{name} cannot be started: {error}.") from error
        self.processes[name] = process
        return process

    async def wait_healthy(
        self, timeout_seconds: float = START_TIMEOUT_SECONDS, names: Sequence[str] = ()
    ) -> None:
        """Waits until the services (all, or `names`) answer a health check with SERVING.

        Raises StackError when the time is up, or when one of them ends before.
        """
        waiting = {
            asyncio.create_task(_until_serving(self._specs[name])): name for name in names or self._specs
        }
        ended = asyncio.create_task(self.wait_for_exit(names))
        try:
            async with asyncio.timeout(timeout_seconds):
                pending: set[asyncio.Task[None]] = set(waiting)
                while pending:
                    done, _ = await asyncio.wait({*pending, ended}, return_when=asyncio.FIRST_COMPLETED)
                    if ended in done:
                        raise StackError(describe_exit(await ended))
                    for task in done & pending:
                        task.result()
                    pending -= done
        except TimeoutError:
            late = ", ".join(name for task, name in waiting.items() if not task.done())
            raise StackError(f"Not healthy after {timeout_seconds:g} s: {late}.") from None
        finally:
            ended.cancel()
            for task in waiting:
                task.cancel()
            await asyncio.gather(ended, *waiting, return_exceptions=True)

    async def wait_for_exit(self, names: Sequence[str] = ()) -> ManagedProcess:
        """Waits until one of the services (all, or `names`) has ended, and returns it."""
        watched = {
            asyncio.create_task(process.wait()): process
            for name, process in self.processes.items()
            if not names or name in names
        }
        try:
            done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in watched:
                task.cancel()
        return watched[done.pop()]

    async def stop(self, grace_seconds: float = STOP_GRACE_SECONDS) -> dict[str, int]:
        """Stops the services one by one, callers before those they call; returns their exit codes.

        Does nothing for what has ended. A cancelled stop kills what is left.
        """
        codes: dict[str, int] = {}
        try:
            for process in reversed(self.processes.values()):
                codes[process.name] = await process.stop(grace_seconds)
        except BaseException:
            self.kill()
            raise
        return codes

    def kill(self) -> None:
        """SIGKILL to everything, at once."""
        for process in self.processes.values():
            process.kill()


def badly_ended(codes: Mapping[str, int]) -> dict[str, int]:
    """Those of the exit codes of a stop that are not what was asked for.

    SIGTERM before a service has installed its handler ends it by that signal: just as good.
    """
    return {name: code for name, code in codes.items() if code not in (0, -signal.SIGTERM)}


def describe_exit(process: ManagedProcess) -> str:
    """That a service ended, how, and what it said last."""
    code = process.returncode
    how = f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
    lines = [line for line in process.lines if line.strip()][-_REPORTED_LINES:]
    said = "".join(f"\n  {line}" for line in lines)
    return f"The {process.name} service {how}." + (f" Its last lines:{said}" if said else "")


async def _until_serving(spec: ServiceSpec) -> None:
    channel = open_channel(spec.address, spec.tls)
    try:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        while True:
            with suppress(grpc.aio.AioRpcError):
                reply = await check(health_pb2.HealthCheckRequest(), timeout=1.0)
                if reply.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            await asyncio.sleep(_POLL_SECONDS)
    finally:
        await channel.close()
