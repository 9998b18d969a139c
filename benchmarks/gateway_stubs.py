"""The services behind the gateway doing nothing, in processes of their own; and the gateway doing nothing.

    python -m benchmarks.gateway_stubs KIND PORT

`retrieval` and `answer` are served as the real ones are, and reply at once with five passages and a whole
answer. `bare-retrieval` and `bare-answer` send the same messages over plain grpc.aio servers, and
`bare-gateway` only calls them: what three hops cost by themselves.
`models` speaks OpenAI's format: `/down/...` answers 500, everything else at once.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import grpc
import uvloop
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import aio as aio_health

from benchmarks.model_server import serve_models
from docuquery.answer.v1 import answer_service_pb2 as answer
from docuquery.answer.v1.answer_service_pb2_grpc import (
    AnswerServiceServicer,
    AnswerServiceStub,
    add_AnswerServiceServicer_to_server,
)
from docuquery.common.v1.answer_pb2 import OUTCOME_ANSWERED, Citation
from docuquery.common.v1.passage_pb2 import Passage
from docuquery.common.v1.text_pb2 import TextSpan
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery.gateway.v1.docuquery_service_pb2_grpc import (
    DocuQueryServiceServicer,
    add_DocuQueryServiceServicer_to_server,
)
from docuquery.retrieval.v1 import retrieval_service_pb2 as retrieval
from docuquery.retrieval.v1.retrieval_service_pb2_grpc import (
    RetrievalServiceServicer,
    RetrievalServiceStub,
    add_RetrievalServiceServicer_to_server,
)
from libs.logging import configure_logging
from libs.rpc.server import ServiceRegistration, serve
from libs.scheduling import finish_what_runs
from libs.settings import ServiceSettings

TEXT = "The hotel limit in Paris is 180 euros a night, breakfast not included. " * 7
PASSAGES = [
    Passage(
        document_id="2f1c9a4e-0b7d-5c3e-9a1f-6d2b8e4c7a90",
        filename="travel.md",
        version="v",
        chunk_id=f"c{number}",
        text=TEXT,
        span=TextSpan(char_end=len(TEXT), byte_end=len(TEXT)),
        score=0.8,
    )
    for number in range(5)
]
STARTED = answer.GenerateResponse(started=answer.GenerationStarted(provider="zero", model="m"))
DELTA = answer.GenerateResponse(text_delta="180 euros a night.")
COMPLETED = answer.GenerateResponse(
    completed=answer.GenerationCompleted(
        answer="180 euros a night.",
        citations=[Citation(source_number=1, quote="The hotel limit in Paris is 180 euros a night")],
        outcome=OUTCOME_ANSWERED,
        provider="zero",
        model="m",
    )
)


class Retrieval(RetrievalServiceServicer):
    """Finds the same passages always."""

    async def Search(self, _request: object, _context: object) -> retrieval.SearchResponse:
        return retrieval.SearchResponse(passages=PASSAGES)


class Answer(AnswerServiceServicer):
    """Writes the same answer always, at once."""

    async def Generate(
        self, request: answer.GenerateRequest, _context: object
    ) -> AsyncIterator[answer.GenerateResponse]:
        yield STARTED
        if request.stream_text:
            yield DELTA
        yield COMPLETED

    async def ListProviders(self, _request: object, _context: object) -> answer.ListProvidersResponse:
        return answer.ListProvidersResponse(
            providers=[answer.Provider(name="zero", adapter="openai", model="m")]
        )


class BareGateway(DocuQueryServiceServicer):
    """Makes the calls a question needs, and nothing else."""

    def __init__(self, retrieval_channel: grpc.aio.Channel, answer_channel: grpc.aio.Channel) -> None:
        self._retrieval = RetrievalServiceStub(retrieval_channel)
        self._answer = AnswerServiceStub(answer_channel)

    async def _generation(self, question: str, *, streamed: bool) -> tuple[list[Any], Any]:
        found = await self._retrieval.Search(retrieval.SearchRequest(query=question, limit=5), timeout=20)
        request = answer.GenerateRequest(
            question=question, passages=found.passages, provider="zero", stream_text=streamed
        )
        return list(found.passages), self._answer.Generate(request, timeout=60)

    async def Query(self, request: pb.QueryRequest, _context: object) -> pb.QueryResponse:
        passages, events = await self._generation(request.question, streamed=False)
        async for event in events:
            if event.HasField("completed"):
                result = pb.QueryResult(
                    answer=event.completed.answer, citations=event.completed.citations, sources=passages
                )
        return pb.QueryResponse(result=result)

    async def StreamQuery(
        self, request: pb.StreamQueryRequest, _context: object
    ) -> AsyncIterator[pb.StreamQueryResponse]:
        passages, events = await self._generation(request.query.question, streamed=True)
        yield pb.StreamQueryResponse(retrieved=pb.RetrievedEvent(sources=passages))
        async for event in events:
            if event.HasField("text_delta"):
                yield pb.StreamQueryResponse(text_delta=event.text_delta)
            elif event.HasField("completed"):
                yield pb.StreamQueryResponse(completed=pb.QueryResult(answer=event.completed.answer))


async def _serve_layered(name: str, full_name: str, register: Any, port: int) -> None:
    settings = ServiceSettings(_env_file=None, port=port)
    async with serve(name=name, settings=settings, services=[ServiceRegistration(full_name, register)]):
        await asyncio.Event().wait()


async def _serve_bare(register: Any, port: int) -> None:
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    register(server)
    health_pb2_grpc.add_HealthServicer_to_server(aio_health.HealthServicer(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


async def _run(kind: str, port: int, targets: list[str]) -> None:
    # Each serves the methods that are measured, and no others.
    retrieval_service = partial(add_RetrievalServiceServicer_to_server, Retrieval())  # type: ignore[abstract]
    answer_service = partial(add_AnswerServiceServicer_to_server, Answer())  # type: ignore[abstract]
    match kind:
        case "retrieval":
            await _serve_layered(kind, "docuquery.retrieval.v1.RetrievalService", retrieval_service, port)
        case "answer":
            await _serve_layered(kind, "docuquery.answer.v1.AnswerService", answer_service, port)
        case "bare-retrieval":
            await _serve_bare(retrieval_service, port)
        case "bare-answer":
            await _serve_bare(answer_service, port)
        case "bare-gateway":
            async with AsyncExitStack() as stack:
                channels = [
                    await stack.enter_async_context(grpc.aio.insecure_channel(target)) for target in targets
                ]
                gateway = BareGateway(*channels)  # type: ignore[abstract]
                await _serve_bare(partial(add_DocuQueryServiceServicer_to_server, gateway), port)
        case "models":
            await serve_models(port)
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    configure_logging("INFO", "json", sys.argv[1])
    finish_what_runs()  # as the services do: it is not what is compared here
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
