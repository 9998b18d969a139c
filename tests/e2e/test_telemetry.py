"""One trace of a question through four real processes, and what their metrics say of it."""

from __future__ import annotations

import asyncio
import urllib.request
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
from prometheus_client.parser import text_string_to_metric_families

from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery.gateway.v1.docuquery_service_pb2_grpc import DocuQueryServiceStub
from docuquery_client.stack import Ports
from tests.contract.llm_server import End, Finish, LlmServer, Open, Status, Text
from tests.e2e.otlp_receiver import ReceivedSpan, Receiver, otlp_receiver
from tests.e2e.support import System, running_system

SECRET = "heron"
DOCUMENT = b"The mascot of the firm is a heron. Its name is Bertram."
QUESTION = "What is the mascot of the firm?"
ANSWER = (Open(), Text("The mascot of the firm is a heron [1]."), Finish("stop"), End())
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = CALLER.split("-")[1]
INTERNAL, SERVER = 1, 2
SERVICES = ("gateway", "ingest", "retrieval", "answer")


@asynccontextmanager
async def watched_system(folder: Path, receiver: Receiver, **env: str) -> AsyncIterator[tuple[System, Ports]]:
    """A system with all telemetry on; beside it the ports of its metrics."""
    ports = Ports.free()
    on = {f"{name.upper()}_METRICS_PORT": str(getattr(ports, name)) for name in SERVICES}
    on |= {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, "ENABLE_RERANKING": "true"}
    async with running_system(folder, **on, **env) as system:
        yield system, ports


async def scrape(port: int) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    def get() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as reply:
            return str(reply.read().decode())

    families = text_string_to_metric_families(await asyncio.to_thread(get))
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def tree(spans: list[ReceivedSpan]) -> list[str]:
    """`service name` of each span, indented by its depth; siblings in the order they began."""
    below: dict[str, list[ReceivedSpan]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: span.began):
        below[span.parent_id].append(span)

    def walk(parent: str, depth: int) -> list[str]:
        return [
            line
            for span in below[parent]
            for line in (
                "  " * depth + f"{span.service.removeprefix('docuquery-')}: {span.name.rpartition('/')[2]}",
                *walk(span.span_id, depth + 1),
            )
        ]

    return walk(CALLER.split("-")[2], 0)


async def test_one_question_is_one_tree_of_spans_and_counted_everywhere(tmp_path: Path) -> None:
    with otlp_receiver() as receiver:
        async with (
            LlmServer() as openai,
            LlmServer() as anthropic,
            watched_system(
                tmp_path,
                receiver,
                OPENAI_BASE_URL=f"http://127.0.0.1:{openai.port}/v1",
                OPENAI_MODEL="gpt-test",
                ANTHROPIC_BASE_URL=f"http://127.0.0.1:{anthropic.port}",
                ANTHROPIC_MODEL="claude-test",
                LLM_PROVIDER="openai,anthropic",
            ) as (system, ports),
        ):
            await system.client.upload_document("mascot.txt", DOCUMENT)
            openai.play(Status(529))
            anthropic.play(*ANSWER)
            async with grpc.aio.insecure_channel(system.address) as channel:
                reply = await DocuQueryServiceStub(channel).Query(
                    pb.QueryRequest(question=QUESTION, conversation_id="c-1"),
                    metadata=(("traceparent", CALLER), ("x-request-id", "watched-1")),
                    timeout=30,
                )
            assert reply.result.provider == "anthropic"
            check_metrics({name: await scrape(getattr(ports, name)) for name in SERVICES})
            check_logs(system)
        # The processes have ended, and sent what they had.
        check_trace(receiver)
        check_upload(receiver)


def check_trace(receiver: Receiver) -> None:
    spans = receiver.trace(TRACE)
    stages = {span.name for span in spans if span.service == "docuquery-retrieval" and span.kind == INTERNAL}
    assert stages >= {"embed", "index", "records", "complete", "rerank"}
    assert [line for line in tree(spans) if not line.startswith("        retrieval: ")] == [
        "gateway: Query",
        "  gateway: rewrite",
        "    gateway: RewriteQuestion",
        "      answer: RewriteQuestion",
        "  gateway: search",
        "    gateway: Search",
        "      retrieval: Search",
        "  gateway: provider_attempt",
        "    gateway: Generate",
        "      answer: Generate",
        "        answer: chat gpt-test",
        "  gateway: provider_attempt",
        "    gateway: Generate",
        "      answer: Generate",
        "        answer: chat claude-test",
        "        answer: citation_check",
    ]
    assert len(tree(spans)) == len(spans), "every span has its parent"
    named = {span.name: span for span in spans}
    failed, wrote = named["chat gpt-test"], named["chat claude-test"]
    assert failed.attributes["error.type"] == "PROVIDER_OVERLOADED"
    assert failed.failed
    told = {key: value for key, value in wrote.attributes.items() if key.startswith("gen_ai.")}
    first = told.pop("gen_ai.response.time_to_first_chunk")
    assert 0 < first <= wrote.seconds
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-test",
        "gen_ai.request.stream": True,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 7,
    }
    assert SECRET not in repr(receiver.spans)
    assert "mascot" not in repr(receiver.spans), "neither question, document nor file name"


def check_upload(receiver: Receiver) -> None:
    [upload] = [s for s in receiver.spans if s.name.endswith("/UploadDocument") and s.kind == SERVER]
    spans = receiver.trace(upload.trace_id)
    names = [span.name for span in spans]
    for stage in ("begin", "wait", "parse", "chunk", "commit", "embed_passages", "write"):
        assert names.count(stage) == 1, stage
    assert {span.service for span in spans} == {
        "docuquery-gateway",
        "docuquery-ingest",
        "docuquery-retrieval",
    }
    known = {span.span_id for span in spans}
    assert [span.name for span in spans if span.parent_id and span.parent_id not in known] == []


def check_metrics(scraped: dict[str, dict[tuple[str, frozenset[tuple[str, str]]], float]]) -> None:
    def value(of: str, name: str, **labels: str) -> float:
        return scraped[of].get((name, frozenset(labels.items())), 0.0)

    def calls(service: str, method: str, code: str = "OK", reason: str = "") -> float:
        labels = {"service": service, "method": method, "code": code, "reason": reason}
        return value(service, "docuquery_rpc_calls_total", **labels)

    assert [calls("gateway", method) for method in ("UploadDocument", "Query")] == [1, 1]
    assert calls("retrieval", "Search") == 1
    assert calls("answer", "Generate", "UNAVAILABLE", "PROVIDER_OVERLOADED") == 1
    count = "docuquery_rpc_duration_seconds_count"
    assert value("answer", count, service="answer", method="Generate") == 2
    assert value("gateway", "docuquery_rpc_in_flight", service="gateway", method="Query") == 0
    attempts = "docuquery_provider_attempts_total"
    assert value("gateway", attempts, provider="openai", result="PROVIDER_OVERLOADED") == 1
    assert value("gateway", attempts, provider="anthropic", result="ok") == 1
    assert value("gateway", "docuquery_provider_first_text_seconds_count", provider="anthropic") == 1
    assert value("gateway", "docuquery_query_outcomes_total", outcome="ANSWERED") == 1
    assert value("gateway", "docuquery_query_degradations_total", kind="PROVIDER_FALLBACK") == 1
    state = "docuquery_breaker_state"
    assert value("gateway", state, target="service:retrieval", state="closed") == 1
    assert value("gateway", state, target="provider:openai/gpt-test", state="open") == 0
    model = {"provider": "anthropic", "model": "claude-test"}
    assert value("answer", "docuquery_model_tokens_total", type="input", **model) == 11
    assert value("answer", "docuquery_model_tokens_total", type="output", **model) == 7
    assert value("answer", "docuquery_citations_total", verdict="verbatim") == 1
    assert value("ingest", "docuquery_ingest_documents_total", result="created") == 1
    assert value("ingest", "docuquery_ingest_bytes_total") == len(DOCUMENT)
    assert value("ingest", "docuquery_ingest_workers", state="idle") == 2
    assert value("ingest", "docuquery_ingest_spool_bytes") == 0
    stage = "docuquery_retrieval_stage_duration_seconds_count"
    for name in ("embed", "index", "records", "rerank", "complete", "embed_passages", "write"):
        assert value("retrieval", stage, stage=name) == 1, name
    assert value("retrieval", stage, stage="fetch") == 0, "texts that came with the scores are there"
    for service in SERVICES:
        assert value(service, "docuquery_event_loop_lag_seconds_count", service=service) > 0
        builds = [labels for name, labels in scraped[service] if name == "docuquery_build_info"]
        assert [dict(labels)["service"] for labels in builds] == [service]
    assert "watched-1" not in repr(scraped)


def check_logs(system: System) -> None:
    for service in ("gateway", "retrieval", "answer"):
        lines = [line for line in system.log_lines(service) if line.get("request_id") == "watched-1"]
        assert lines, service
        assert {line["trace_id"] for line in lines} == {TRACE}


async def test_contents_are_in_spans_when_the_operator_asks_for_them(tmp_path: Path) -> None:
    with otlp_receiver() as receiver:
        async with (
            LlmServer() as openai,
            watched_system(
                tmp_path,
                receiver,
                OPENAI_BASE_URL=f"http://127.0.0.1:{openai.port}/v1",
                OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="SPAN_ONLY",
            ) as (system, _),
        ):
            openai.play(*ANSWER)
            await system.client.upload_document("mascot.txt", DOCUMENT)
            await system.client.ask(QUESTION)
        [chat] = [span for span in receiver.spans if span.name.startswith("chat ")]
    assert SECRET in chat.attributes["gen_ai.output.messages"]
    assert QUESTION in chat.attributes["gen_ai.input.messages"]
    assert chat.attributes["gen_ai.system_instructions"]
