"""`docuquery status` and `docuquery prompts`: what the server is made of and how it is."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.text import Text

from docuquery.common.v1.error_reason_pb2 import ErrorReason
from docuquery.common.v1.reindex_pb2 import REINDEX_STATE_STOPPED, REINDEX_STATE_SWITCHED, Reindex
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery_client.cli.console import messages, one_line, output, plain_table, print_json
from docuquery_client.cli.options import JsonFlag
from docuquery_client.cli.session import EXIT_FAILED, describe, session_of
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.errors import ApiError
from docuquery_client.names import enum_name

_STYLES = {"SERVING": "green", "CLOSED": "green", "NOT_SERVING": "red", "UNREACHABLE": "red", "OPEN": "red"}


def status(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Shows every service, provider and circuit breaker, and how much is stored.

    Exits with 1 unless everything is serving.
    """

    async def call(
        client: AsyncDocuQuery,
    ) -> tuple[pb.GetSystemStatusResponse, pb.GetStatsResponse | ApiError]:
        system = await client.get_system_status()
        if as_json:
            return system, pb.GetStatsResponse()
        try:
            return system, await client.get_stats()
        except ApiError as error:
            return system, error  # the store may be what is down; the rest is worth showing

    system, stats = session_of(ctx).run(call)
    if as_json:
        print_json(system)
    else:
        show_status(output(), system)
        if isinstance(stats, ApiError):
            messages().print(describe(stats), style="yellow", soft_wrap=True)
        else:
            _show_stats(output(), stats)
    if system.state != pb.COMPONENT_STATE_SERVING:
        raise typer.Exit(EXIT_FAILED)


def prompts(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Lists the prompt versions `ask --prompt` takes."""

    async def call(client: AsyncDocuQuery) -> pb.ListPromptsResponse:
        return await client.list_prompts()

    reply = session_of(ctx).run(call)
    if as_json:
        print_json(reply)
        return
    table = plain_table("version", "default", "sha256", "description")
    for prompt in reply.prompts:
        default = "yes" if prompt.is_default else ""
        table.add_row(
            one_line(prompt.version, 80), default, prompt.sha256[:12], one_line(prompt.description, 300)
        )
    output().print(table)


def show_status(console: Console, system: pb.GetSystemStatusResponse) -> None:
    """Prints services, providers, and the breakers that are not simply closed."""
    table = plain_table("component", "state", "version", "latency", "detail")
    for component in system.components:
        state = enum_name(pb.ComponentState, component.state)
        latency = f"{component.latency_ms:.1f} ms" if component.HasField("latency_ms") else ""
        version = one_line(component.version, 40)
        table.add_row(component.name, _styled(state), version, latency, one_line(component.detail, 300))
    for provider in system.providers:
        state = "available" if provider.available else "not available"
        detail = "/".join(filter(None, [provider.adapter, provider.model]))
        table.add_row(f"provider {one_line(provider.name, 80)}", state, "", "", one_line(detail, 200))
    for breaker in system.breakers:
        if breaker.state == pb.BREAKER_STATE_CLOSED and not breaker.forced:
            continue
        state = enum_name(pb.BreakerState, breaker.state)
        table.add_row(
            f"breaker {one_line(breaker.target, 120)}", _styled(state), "", "", _breaker_detail(breaker)
        )
    console.print(table)
    if len(versions := {component.version for component in system.components if component.version}) > 1:
        console.print(f"several versions are running: {', '.join(sorted(versions))}", style="yellow")
    if system.HasField("reindex"):
        console.print(reindex_line(system.reindex), soft_wrap=True)


def reindex_line(reindex: Reindex) -> str:
    """How far a change of the store to other vectors is."""
    former, wanted = (f"{space.embedder} ({space.terms})" for space in (reindex.former, reindex.wanted))
    if reindex.state == REINDEX_STATE_SWITCHED:
        return one_line(
            f"reindex: switched to {wanted}; the vectors of {former} are kept until `docuquery admin reindex "
            "--finish`",
            400,
        )
    done = (
        f"{reindex.documents_done:,} of {reindex.document_count:,} documents, {reindex.chunks_done:,} of "
        f"{reindex.chunk_count:,} chunks"
    )
    rate = f", {reindex.chunks_per_second:,.0f}/s" if reindex.chunks_per_second else ""
    left = f", {reindex.seconds_left:,.0f} s left" if reindex.HasField("seconds_left") else ""
    stopped = "; nobody is at work on it" if reindex.state == REINDEX_STATE_STOPPED else ""
    return one_line(f"reindex to {wanted}: {done}{rate}{left}{stopped}", 400)


def _breaker_detail(breaker: pb.Breaker) -> str:
    parts = [f"{breaker.failures} of {breaker.calls} calls failed"]
    if breaker.last_reason:
        parts.append(f"last {enum_name(ErrorReason, breaker.last_reason)}")
    if breaker.HasField("retry_time"):
        parts.append(f"next try {breaker.retry_time.ToDatetime():%H:%M:%S} UTC")
    if breaker.forced:
        end = f" until {breaker.forced_until.ToDatetime():%Y-%m-%d %H:%M:%S} UTC"
        parts.append("forced by an operator" + (end if breaker.HasField("forced_until") else ""))
    return ", ".join(parts)


def _show_stats(console: Console, stats: pb.GetStatsResponse) -> None:
    counts = (
        f"{stats.indexed_document_count} documents, {stats.chunk_count} chunks, "
        f"{stats.size_bytes / 1e6:.1f} MB; embedder {stats.embedder}, store {stats.store}"
    )
    console.print(one_line(counts, 400))
    for count, what in (
        (stats.processing_document_count, "being ingested"),
        (stats.failed_document_count, "failed"),
    ):
        if count:
            console.print(f"{count} {what}")


def _styled(state: str) -> Text:
    return Text(state, style=_STYLES.get(state, "yellow"))
