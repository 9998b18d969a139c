"""Starts what the gateway's benchmarks measure: stubs, the gateway over them, or the whole system."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from docuquery_client import AsyncDocuQuery
from docuquery_client.ports import free_ports
from docuquery_client.stack import Ports, start_stack, wait_until_whole
from docuquery_client.supervision import ServiceSpec, Stack

FACT = b"# Travel\n\nThe hotel limit in Paris is 180 euros a night, breakfast not included.\n"
QUIET = {"LOG_FORMAT": "json", "OPENAI_API_KEY": "", "ANTHROPIC_API_KEY": "", "RATE_LIMIT_REQUESTS": "0"}


def _spec(name: str, command: tuple[str, ...], port: int, env: Mapping[str, str]) -> ServiceSpec:
    return ServiceSpec(name, (sys.executable, *command), f"127.0.0.1:{port}", {**os.environ, **env})


@asynccontextmanager
async def stubs(*names: str) -> AsyncIterator[dict[str, str]]:
    """Stubs of `benchmarks.gateway_stubs`, each told the addresses of those before it; their addresses."""
    specs: list[ServiceSpec] = []
    for name, port in zip(names, free_ports(len(names)), strict=True):
        before = [spec.address for spec in specs]
        specs.append(_spec(name, ("-m", "benchmarks.gateway_stubs", name, str(port), *before), port, QUIET))
    stack = Stack(specs)
    async with stack:
        await stack.start()
        await stack.wait_healthy()
        yield stack.addresses


@asynccontextmanager
async def gateway_over(services: Mapping[str, str]) -> AsyncIterator[str]:
    """The real gateway in front of these services; its address. Nobody is behind uploads."""
    (port,) = free_ports(1)
    env = QUIET | {f"{name.upper()}_TARGET": address for name, address in services.items()}
    stack = Stack([_spec("gateway", ("-m", "services.gateway"), port, env | {"GATEWAY_PORT": str(port)})])
    async with stack:
        await stack.start()
        await stack.wait_healthy()
        yield stack.addresses["gateway"]


@asynccontextmanager
async def models() -> AsyncIterator[int]:
    """A server of models that take no time; its port."""
    (port,) = free_ports(1)
    spec = _spec("models", ("-m", "benchmarks.gateway_stubs", "models", str(port)), port, QUIET)
    async with Stack([spec]) as stack:
        await stack.start()
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                continue
        yield port


@asynccontextmanager
async def whole_system(models_port: int, *, first: str) -> AsyncIterator[str]:
    """All four services with one small document; the gateway's address.

    The first provider, `anthropic`, is `down` (answers 500), `dead` (refuses connections) or `none`; the
    second, `openai`, answers at once.
    """
    places = {"down": f"http://127.0.0.1:{models_port}/down", "dead": f"http://127.0.0.1:{free_ports(1)[0]}"}
    env = QUIET | {
        "OPENAI_BASE_URL": f"http://127.0.0.1:{models_port}/v1",
        "ANTHROPIC_BASE_URL": places.get(first, ""),
        "LLM_PROVIDER": "openai" if first == "none" else "anthropic,openai",
    }
    with tempfile.TemporaryDirectory() as folder:
        env |= {"DATA_DIR": f"{folder}/data", "INGEST_SPOOL_DIR": f"{folder}/spool"}
        stack = await start_stack(env, Ports.free(), cwd=Path(folder))
        async with stack, AsyncDocuQuery(stack.addresses["gateway"]) as client:
            await wait_until_whole(client)
            await client.upload_document("travel.md", FACT)
            yield stack.addresses["gateway"]
