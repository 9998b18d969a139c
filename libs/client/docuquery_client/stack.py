"""The four services on this machine, for development, demonstrations and tests.

They are started by module name (`services.gateway`) and not imported: this client needs none of their
code. In production each service runs by itself.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import grpc

from docuquery.gateway.v1.docuquery_service_pb2 import COMPONENT_STATE_SERVING, GetSystemStatusResponse
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.errors import ApiError
from docuquery_client.ports import free_ports
from docuquery_client.processes import LineCallback
from docuquery_client.supervision import START_TIMEOUT_SECONDS, ServiceSpec, Stack, StackError
from docuquery_client.tls import Tls

_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the services listen."""

    gateway: int = 50051
    ingest: int = 50052
    retrieval: int = 50053
    answer: int = 50054

    @classmethod
    def free(cls) -> Self:
        """Four ports nobody listens on at this moment."""
        return cls(*free_ports(4))


def service_specs(
    ports: Ports, env: Mapping[str, str], cwd: Path | None = None, tls: Tls | None = None
) -> list[ServiceSpec]:
    """The four services in the order they are started; they are stopped in the opposite one.

    `env` is their environment; ports and the addresses of each other are set here. A service listens
    where `<NAME>_HOST` says, by default on loopback. `tls` is how the gateway is called; the others are
    called as they call each other.
    """
    numbers = asdict(ports)
    addresses = {name: f"{_dialled(env.get(f'{name.upper()}_HOST', ''))}:{numbers[name]}" for name in numbers}
    shared = {
        **env,
        **{f"{name.upper()}_PORT": str(port) for name, port in numbers.items()},
        **{f"{name.upper()}_TARGET": addresses[name] for name in ("ingest", "retrieval", "answer")},
        "PYTHONUNBUFFERED": "1",
    }
    internal = _internal_tls(env)
    tethered = (sys.executable, "-m", "docuquery_client.tethered", str(os.getpid()))
    # Nobody is started before those it calls, so none is stopped before its callers.
    return [
        ServiceSpec(
            name,
            (*tethered, f"services.{name}"),
            addresses[name],
            shared,
            cwd,
            tls if name == "gateway" else internal,
        )
        for name in ("retrieval", "answer", "ingest", "gateway")
    ]


def prepare_stack(
    env: Mapping[str, str] | None = None,
    ports: Ports | None = None,
    *,
    cwd: Path | None = None,
    on_line: LineCallback | None = None,
    tls: Tls | None = None,
) -> Stack:
    """The four services, not started yet; arguments as for `start_stack`.

    Raises StackError when they cannot be started here: not installed, or a port is in use.
    """
    specs = service_specs(ports or Ports.free(), services_environment(env), cwd, tls)
    for spec in specs:
        _require_free(spec)
    return Stack(specs, on_line=on_line)


async def start_stack(
    env: Mapping[str, str] | None = None,
    ports: Ports | None = None,
    *,
    cwd: Path | None = None,
    on_line: LineCallback | None = None,
    timeout_seconds: float = START_TIMEOUT_SECONDS,
    tls: Tls | None = None,
) -> Stack:
    """Starts the four services and waits until all are healthy; the caller stops them.

    `env` is laid over this process's environment, where an empty value unsets a setting; without `ports`
    free ones are taken; `tls` is how the gateway is called. The services read `.env` in `cwd` (None: this
    process's folder). Raises StackError; everything is stopped then, and also when it is cancelled.
    """
    stack = prepare_stack(env, ports, cwd=cwd, on_line=on_line, tls=tls)
    try:
        await stack.start()
        await stack.wait_healthy(timeout_seconds)
    except BaseException:
        await stack.stop()
        raise
    return stack


async def wait_until_whole(
    client: AsyncDocuQuery, timeout_seconds: float = START_TIMEOUT_SECONDS
) -> GetSystemStatusResponse:
    """Waits until the gateway says that every component is serving; returns its last word.

    When the time is up that word may be another one. Raises ApiError when the gateway does not answer
    in time, or refuses to say.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_seconds
    while True:
        left = end - loop.time()
        try:
            system = await client.get_system_status(timeout_seconds=max(left, _POLL_SECONDS))
            if system.state == COMPONENT_STATE_SERVING or left <= 0:
                return system
        except ApiError as error:
            if error.code is not grpc.StatusCode.UNAVAILABLE or left <= 0:
                raise
        await asyncio.sleep(_POLL_SECONDS)


def services_environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of this process with `env` over it, in which the services' code is found.

    Raises StackError when it is not installed here.
    """
    inherited = {**os.environ, **(env or {})}
    inherited["PYTHONPATH"] = os.pathsep.join(filter(None, [inherited.get("PYTHONPATH"), *_import_roots()]))
    return inherited


def _import_roots() -> list[str]:
    """Where the services' packages lie, so that they are found from any folder, installed or not."""
    roots: dict[str, None] = {}
    for package in ("services", "libs", "docuquery", "docuquery_client"):
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise StackError("The DocuQuery services are not installed in this Python; only the client is.")
        roots |= {str(Path(folder).absolute().parent): None for folder in spec.submodule_search_locations}
    return list(roots)


def _internal_tls(env: Mapping[str, str]) -> Tls | None:
    """How a service set up by `env` is called, ours and not the gateway."""
    if not env.get("TLS_CERT_FILE"):
        return None
    ca, cert, key = (
        Path(env[name]) if env.get(name) else None
        for name in ("TLS_CA_FILE", "TLS_CERT_FILE", "TLS_KEY_FILE")
    )
    return Tls(ca, cert, key, env.get("TLS_SERVER_NAME", ""))


def _dialled(host: str) -> str:
    """The address at which a service is reached that listens on `host`."""
    if host in ("", "0.0.0.0", "localhost"):  # noqa: S104 # compared with, not listened on
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host


def _require_free(spec: ServiceSpec) -> None:
    host, _, port = spec.address.rpartition(":")
    host = host.strip("[]")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, int(port)), family=family).close()
    except OSError as error:
        raise StackError(
            f"{spec.name} cannot listen on {spec.address} ({error.strerror or error}). "
            "Is DocuQuery running already? Another port can be given."
        ) from None
