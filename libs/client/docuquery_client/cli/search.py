"""`docuquery search`: the passages behind a query, without an answer."""

from __future__ import annotations

from typing import Annotated

import typer

from docuquery.common.v1.answer_pb2 import DegradationKind
from docuquery.gateway.v1.docuquery_service_pb2 import SearchResponse
from docuquery_client.cli.answer_view import page_text
from docuquery_client.cli.console import messages, one_line, output, plain_table, print_json
from docuquery_client.cli.options import (
    ExpandOption,
    FilterOption,
    JsonFlag,
    Mode,
    ModeOption,
    RerankOption,
    filter_value,
    mode_value,
)
from docuquery_client.cli.session import session_of
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.names import enum_name


def search(
    ctx: typer.Context,
    query: Annotated[str, typer.Argument(help="What to look for.")],
    as_json: JsonFlag = False,
    limit: Annotated[int, typer.Option(help="Passages wanted.", min=1, max=200)] = 10,
    mode: ModeOption = Mode.HYBRID,
    filter: FilterOption = None,
    rerank: RerankOption = None,
    max_per_document: Annotated[
        int, typer.Option(help="Most passages of one document; 0: no cap.", min=0, max=200)
    ] = 0,
    expand: ExpandOption = 0,
) -> None:
    """Lists the passages most relevant to a query, best first.

    The score, 0 to 1, can be compared between queries; the order weighs more than it does.
    """
    keep = filter_value(filter)

    async def call(client: AsyncDocuQuery) -> SearchResponse:
        return await client.search(
            query,
            limit=limit,
            mode=mode_value(mode),
            filter=keep,
            rerank=rerank,
            max_per_document=max_per_document,
            expand_chunks=expand,
        )

    reply = session_of(ctx).run(call)
    if as_json:
        print_json(reply)
    else:
        _show(reply)


def _show(reply: SearchResponse) -> None:
    for degradation in reply.degradations:
        kind = enum_name(DegradationKind, degradation.kind)
        messages().print(f"{kind}: {one_line(degradation.detail, 300)}", style="yellow")
    if not reply.passages:
        messages().print("No passage found.")
        return
    table = plain_table("score", "page", "file")
    # What the other columns leave; `expand` is what makes the ratio count.
    table.add_column("text", no_wrap=True, overflow="ellipsis", ratio=1)
    table.expand = True
    for passage in reply.passages:
        table.add_row(
            f"{passage.score:.3f}",
            page_text(passage.pages).partition(" ")[2],
            one_line(passage.source or passage.filename, 1024),
            one_line(passage.text, 300),
        )
    output().print(table)
