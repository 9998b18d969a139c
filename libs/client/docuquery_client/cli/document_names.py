"""Which document a user means."""

from __future__ import annotations

import uuid

from docuquery_client.cli.console import one_line
from docuquery_client.cli.session import fail
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.filters import where


async def find_document(client: AsyncDocuQuery, name: str) -> str:
    """The id a user means by an id or a source; empty when no document has that source."""
    try:
        return str(uuid.UUID(name))
    except ValueError:
        page = await client.list_documents(page_size=1, filter=where(source=name))
        return page.documents[0].document_id if page.documents else ""


def not_found(name: str) -> None:
    """Says on standard error that no document has the source `name`."""
    fail(f"No document has the source {one_line(name, 200)!r}; `docuquery documents list` shows all.")
