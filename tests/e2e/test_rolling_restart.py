"""Two replicas of every service, each killed and started again in turn under load: no question fails."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import grpc
import pytest

from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery.gateway.v1.docuquery_service_pb2_grpc import DocuQueryServiceStub
from docuquery_client import AsyncDocuQuery
from docuquery_client.stack import Ports, service_specs, services_environment
from docuquery_client.supervision import Stack
from libs.rpc.channel import open_channel
from tests.contract.llm_server import LlmServer
from tests.contract.qdrant_server import one_server
from tests.e2e.faults import OPENAI

REPLICAS = (1, 2)
CALLERS = 6
QUESTION = pb.QueryRequest(question="What is the mascot of the firm?")


def replicated(env: dict[str, str]) -> Stack:
    """Two of each, every one knowing both of those it calls."""
    sets = [service_specs(Ports.free(), services_environment(env)) for _ in REPLICAS]
    addresses: dict[str, list[str]] = {}
    for specs in sets:
        for spec in specs:
            addresses.setdefault(spec.name, []).append(spec.address)
    targets = {f"{name.upper()}_TARGET": ",".join(both) for name, both in addresses.items()}
    return Stack(
        [
            replace(spec, name=f"{spec.name}-{number}", env={**spec.env, **targets})
            for number, specs in zip(REPLICAS, sets, strict=True)
            for spec in specs
        ]
    )


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Stack]:
    async with AsyncExitStack() as stack:
        servers = stack.enter_context(one_server(folder / "qdrant"))
        llm = await stack.enter_async_context(LlmServer())
        llm.play(*OPENAI)
        env = {
            "VECTOR_STORE": "qdrant",
            "QDRANT_URL": servers.url,
            "INGEST_SPOOL_DIR": str(folder / "spool"),
            "OPENAI_BASE_URL": f"http://127.0.0.1:{llm.port}/v1",
            "OPENAI_API_KEY": "",
            "ANTHROPIC_API_KEY": "",
            "EXTRACTIVE_FALLBACK": "false",
            "LOG_FORMAT": "json",
        }
        services = await stack.enter_async_context(replicated(env))
        await services.start()
        await services.wait_healthy()
        yield services


@dataclass
class Load:
    """Callers that ask again and again, through whichever gateway is there."""

    api: DocuQueryServiceStub
    answered: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    """What was being restarted, and what a caller saw."""
    turn: str = ""

    async def ask(self) -> None:
        while True:
            try:
                result = (await self.api.Query(QUESTION, timeout=30)).result
                assert result.provider == "openai"
                self.answered += 1
            except grpc.aio.AioRpcError as error:
                self.failed.append((self.turn, f"{error.code().name}: {error.details()}"))
            await asyncio.sleep(0.02)

    async def more(self, count: int = 30) -> None:
        """Waits for so many more answers."""
        goal = self.answered + count
        async with asyncio.timeout(60):
            while self.answered < goal:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.05)


async def restart(services: Stack, name: str, number: signal.Signals) -> None:
    process = services.processes[name]
    process.signal(number)
    await process.wait()
    await services.start_service(name)
    await services.wait_healthy(names=[name])


@pytest.mark.slow
@pytest.mark.externals
@pytest.mark.timeout(600)
async def test_a_rolling_restart_fails_no_question(tmp_path: Path) -> None:
    """Those behind are killed by SIGKILL, the gateways, whose calls nobody else repeats, by SIGTERM."""
    async with running(tmp_path) as services:
        gateways = ",".join(services.addresses[f"gateway-{number}"] for number in REPLICAS)
        async with AsyncDocuQuery(services.addresses["gateway-1"]) as client:
            await client.upload_document("mascot.txt", b"The mascot of the firm is a heron.")
        async with open_channel(gateways, max_message_bytes=1 << 20) as channel:
            load = Load(DocuQueryServiceStub(channel))
            callers = [asyncio.create_task(load.ask()) for _ in range(CALLERS)]
            await load.more()
            for service in ("retrieval", "answer", "ingest", "gateway"):
                for number in REPLICAS:
                    load.turn = f"{service}-{number}"
                    how = signal.SIGTERM if service == "gateway" else signal.SIGKILL
                    await restart(services, load.turn, how)
                    await load.more()
            for caller in callers:
                caller.cancel()
            await asyncio.gather(*callers, return_exceptions=True)
    assert load.failed == []
    assert load.answered > 8 * 30
