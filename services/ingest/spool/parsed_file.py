"""What a worker process leaves behind for the service: a file with the text of a document, then its chunks.

A file, not messages: the service reads it back one batch at a time, so that its memory does not grow with the
document. One, not two: making a file costs as much as parsing a small document. Plain UTF-8 and JSON, not
pickles: a worker that a hostile file has taken over cannot make the service run anything.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from services.ingest.model import Chunk, HeadingPath, PageStart, ParsedDocument
from services.ingest.parsers.errors import ParseError

_SUFFIX = ".parsed"

FULL_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""No space left, quota used up, limit of the process or file system for one file reached."""

FULL_DISK_MESSAGE = "The server has no room for uploads at the moment. Try again later."

_CHUNK_OVERHEAD_BYTES = 64
"""About what a chunk's numbers take in a message."""


@dataclass(frozen=True, slots=True)
class ParsedSummary:
    """A parsed document in a few numbers."""

    title: str
    page_count: int
    """0 where the format has no pages."""
    chunk_count: int
    character_count: int
    """Code points of the normalised text."""
    byte_count: int
    """The same in UTF-8 bytes."""
    language: str = ""
    """Code of the text's language; empty when it could not be told."""
    label: str = ""
    """What it is called where its passages are embedded, see `naming`; empty until the file has a name."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A contiguous piece of the text and the chunks that lie inside it."""

    text: str
    char_start: int
    byte_start: int
    byte_end: int
    chunks: tuple[Chunk, ...]


def path_beside(upload: Path) -> Path:
    """Where what was read from the upload at `upload` is kept."""
    return upload.with_name(upload.name + _SUFFIX)


def save(upload: Path, document: ParsedDocument, chunks: Iterable[Chunk]) -> ParsedSummary:
    """Writes the text, then the chunks, of the upload at `upload` into a file beside it.

    Raises ParseError OVERLOADED when the disk is full.
    """
    try:
        return _save(upload, document, chunks)
    except OSError as error:
        if error.errno not in FULL_DISK_ERRORS:
            raise
        raise ParseError("OVERLOADED", FULL_DISK_MESSAGE) from error


def _save(upload: Path, document: ParsedDocument, chunks: Iterable[Chunk]) -> ParsedSummary:
    data = document.text.encode()
    count = 0
    with path_beside(upload).open("wb") as file:
        file.write(data)
        headings: HeadingPath = ()
        for chunk in chunks:
            # Headings are written where they change only: most chunks share those of the one before.
            changed = None if chunk.headings == headings else chunk.headings
            headings = chunk.headings
            record = (
                chunk.char_start,
                chunk.char_end,
                chunk.byte_start,
                chunk.byte_end,
                chunk.first_page,
                chunk.last_page,
                [(start.page, start.char_start) for start in chunk.page_starts],
                changed,
            )
            file.write(json.dumps(record, separators=(",", ":")).encode() + b"\n")
            count += 1
    return ParsedSummary(
        title=document.title,
        page_count=len(document.pages),
        chunk_count=count,
        character_count=len(document.text),
        byte_count=len(data),
    )


def batches(upload: Path, summary: ParsedSummary, *, max_chunks: int, max_bytes: int) -> Iterator[Batch]:
    """What `save` wrote, in batches of at most `max_chunks` chunks and about `max_bytes` in a message.

    The first batch begins at the text's start, the last one ends at its end, and between two of them no
    character is left out; they overlap where chunks do. A batch holds at least one chunk.
    """
    with path_beside(upload).open("rb") as text_file:
        waiting: list[Chunk] = []
        char_start = byte_start = size = 0
        for chunk in _chunks(upload, summary.byte_count):
            added = (
                (chunk.byte_end - waiting[-1].byte_end if waiting else chunk.byte_end - byte_start)
                + sum(len(heading.encode()) for heading in chunk.headings)
                + _CHUNK_OVERHEAD_BYTES
            )
            if waiting and (len(waiting) == max_chunks or size + added > max_bytes):
                last = waiting[-1]
                yield _batch(text_file, char_start, byte_start, last.byte_end, waiting)
                char_start = min(last.char_end, chunk.char_start)
                byte_start = min(last.byte_end, chunk.byte_start)
                waiting, size = [], 0
            waiting.append(chunk)
            size += added
        if waiting:
            yield _batch(text_file, char_start, byte_start, summary.byte_count, waiting)


def _batch(file: BinaryIO, char_start: int, byte_start: int, byte_end: int, chunks: list[Chunk]) -> Batch:
    file.seek(byte_start)
    text = file.read(byte_end - byte_start).decode()
    return Batch(text, char_start, byte_start, byte_end, tuple(chunks))


def _chunks(upload: Path, start: int) -> Iterator[Chunk]:
    headings: HeadingPath = ()
    with path_beside(upload).open("rb") as file:
        file.seek(start)
        for ordinal, line in enumerate(file):
            char_start, char_end, byte_start, byte_end, first_page, last_page, starts, changed = json.loads(
                line
            )
            if changed is not None:
                headings = tuple(changed)
            yield Chunk(
                ordinal=ordinal,
                char_start=char_start,
                char_end=char_end,
                byte_start=byte_start,
                byte_end=byte_end,
                first_page=first_page,
                last_page=last_page,
                page_starts=tuple(PageStart(page, start) for page, start in starts),
                headings=headings,
            )
