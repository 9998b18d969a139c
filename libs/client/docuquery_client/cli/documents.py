"""`docuquery documents`: what is in the store."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated

import typer

from docuquery.common.v1.document_pb2 import Document, DocumentStatus, DocumentType
from docuquery.gateway.v1.docuquery_service_pb2 import ListDocumentsResponse
from docuquery_client.cli.console import (
    clean,
    messages,
    one_line,
    output,
    plain_table,
    print_json,
    print_rows,
)
from docuquery_client.cli.document_names import find_document, not_found
from docuquery_client.cli.document_view import document_rows, progress
from docuquery_client.cli.documents_delete import delete_documents
from docuquery_client.cli.options import (
    FileTypesOption,
    FilterOption,
    JsonFlag,
    StatusesOption,
    filter_value,
    status_value,
    type_value,
)
from docuquery_client.cli.session import EXIT_FAILED, session_of
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.names import enum_name

app = typer.Typer(help="Lists, shows and deletes documents.", no_args_is_help=True)

_MAX_PAGE = 200

DocumentArgument = Annotated[str, typer.Argument(metavar="DOCUMENT", help="Its id, or its source.")]


@app.command("list")
def list_documents(
    ctx: typer.Context,
    as_json: JsonFlag = False,
    limit: Annotated[int, typer.Option(help="Documents to list at most; 0 lists all.", min=0)] = 50,
    status: StatusesOption = None,
    type: FileTypesOption = None,
    filter: FilterOption = None,
) -> None:
    """Lists documents, newest first, with how far those are that are being read."""
    keep = filter_value(filter)

    async def call(client: AsyncDocuQuery) -> tuple[list[Document], bool]:
        found: list[Document] = []
        walk = client.documents(
            statuses=[status_value(s) for s in status or ()],
            types=[type_value(t) for t in type or ()],
            filter=keep,
            page_size=min(limit + 1, _MAX_PAGE) if limit else _MAX_PAGE,
        )
        async with aclosing(walk) as documents:
            async for document in documents:
                if limit and len(found) == limit:
                    return found, True
                found.append(document)
        return found, False

    found, more = session_of(ctx).run(call)
    if as_json:
        print_json(ListDocumentsResponse(documents=found))
        return
    table = plain_table("id", "source", "type", "status")
    for name in ("pages", "chunks", "bytes"):
        table.add_column(name, justify="right")
    table.add_column("progress", overflow="fold")
    for document in found:
        table.add_row(
            document.document_id,
            one_line(document.source, 1024),
            enum_name(DocumentType, document.type).lower(),
            enum_name(DocumentStatus, document.status).lower(),
            str(document.page_count or ""),
            str(document.chunk_count),
            str(document.size_bytes),
            progress(document),
        )
    if found:
        print_rows(table)
    else:
        messages().print("No documents.")
    if more:
        messages().print(f"There are more than these {limit}; --limit 0 lists all.")


@app.command("show")
def show_document(ctx: typer.Context, document: DocumentArgument, as_json: JsonFlag = False) -> None:
    """Shows one document with its status and its latest attempt."""

    async def call(client: AsyncDocuQuery) -> Document | None:
        found = await find_document(client, document)
        # A listing may be a moment old; the document itself is not.
        return await client.get_document(found) if found else None

    shown = session_of(ctx).run(call)
    if shown is None:
        not_found(document)
        raise typer.Exit(EXIT_FAILED)
    if as_json:
        print_json(shown)
        return
    table = plain_table("name", "value")
    table.show_header = False
    for name, value in document_rows(shown):
        table.add_row(name, clean(value))
    output().print(table)


app.command("delete")(delete_documents)
