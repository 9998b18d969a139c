"""A collection's documents, sent as files like any other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from docuquery.common.v1.document_pb2 import DocumentType
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.evaluation.beir import CorpusDocument, RetrievalDataset
from docuquery_client.resume import upload_resuming
from docuquery_client.upload_files import UploadEvent, UploadFile

# Lines that Markdown reads as structure: headings, underlines of headings, fences, tables.
_STRUCTURE = re.compile(r"^ {0,3}(?:#{1,6}(?:[ \t]|$)|```|~~~|[=|:-][=|: \t-]*$)", re.MULTILINE)


@dataclass(slots=True)
class Uploaded:
    """What became of the documents."""

    failures: list[UploadEvent] = field(default_factory=list)
    """The last events of those that the server refused."""
    finished: int = 0


def source_of(dataset: str, document_id: str) -> str:
    """The document's name in the store, the same each time: a second run finds it unchanged."""
    return f"{quote(dataset, safe='')}/{quote(document_id, safe='')}"


def file_content(document: CorpusDocument) -> tuple[str, DocumentType.ValueType]:
    """The document as a file, and what type of file that is.

    The text comes through untouched, and the title is the document's own title rather than part of the
    text. Only Markdown has room for that, in its front matter, and its parser leaves the text between
    blocks as it stands. Plain text has no title, so it is for documents without one, and for texts
    with lines that Markdown would take for headings, tables or code: there the title is the first line.
    """
    title = " ".join(document.title.split())
    text = document.text if document.text.strip() else title
    if not title or text == title:
        return text, DocumentType.DOCUMENT_TYPE_TEXT
    if _STRUCTURE.search(text):
        return f"{title}\n\n{text}", DocumentType.DOCUMENT_TYPE_TEXT
    mark = "'" if '"' in title else '"'
    return f"---\ntitle: {mark}{title}{mark}\n---\n{text}", DocumentType.DOCUMENT_TYPE_MARKDOWN


def write_files(dataset: RetrievalDataset, folder: Path) -> list[UploadFile]:
    """Writes a file for each document that is not blank. Raises OSError."""
    files = []
    for number, document in enumerate(dataset.documents, start=1):
        if document.is_blank:
            continue
        content, kind = file_content(document)
        suffix = "md" if kind == DocumentType.DOCUMENT_TYPE_MARKDOWN else "txt"
        path = folder / f"{number}.{suffix}"
        # JSON can hold halves of surrogate pairs, which no file can.
        path.write_text(content, encoding="utf-8", errors="replace", newline="")
        files.append(UploadFile(path, source=source_of(dataset.name, document.id), type=kind))
    return files


async def upload(
    client: AsyncDocuQuery,
    files: Iterable[UploadFile],
    *,
    max_in_flight: int,
    on_finished: Callable[[], None],
) -> Uploaded:
    """Sends `files` and waits until all of it is searchable. Raises ApiError."""
    uploaded = Uploaded()
    async with aclosing(upload_resuming(client, files, max_in_flight=max_in_flight)) as events:
        async for event in events:
            if not event.finished:
                continue
            uploaded.finished += 1
            if event.failed is not None:
                uploaded.failures.append(event)
            on_finished()
    return uploaded
