"""What is said about a file, and what is heard of it."""

from __future__ import annotations

import os
from pathlib import Path

from docuquery.common.v1.document_pb2 import DocumentError
from docuquery.common.v1.upload_pb2 import UploadIndexed, UploadProgress
from docuquery_client.upload_files import UploadEvent, UploadFile


def test_a_header_carries_the_file_name_and_no_metadata_unless_given() -> None:
    header = UploadFile(Path("some/where/a.txt")).header(12)
    assert (header.filename, header.source, header.size_bytes) == ("a.txt", "", 12)
    assert not header.HasField("metadata")


def test_a_file_name_that_is_no_text_is_written_out() -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    header = UploadFile(Path(name), source=name).header(1)
    assert header.filename == header.source == "caf\\xe9.txt"


def test_a_password_is_not_shown() -> None:
    assert "hush" not in repr(UploadFile(Path("a"), password="hush"))


def test_a_reason_of_a_newer_server_is_its_number() -> None:
    failed = DocumentError(reason=9999)  # type: ignore[arg-type] # of a newer contract
    event = UploadEvent(UploadFile(Path("a")), UploadProgress(failed=failed))
    assert event.finished
    assert event.reason == "9999"


def test_progress_is_not_an_end() -> None:
    event = UploadEvent(UploadFile(Path("a")), UploadProgress(indexed=UploadIndexed(chunks_written=1)))
    assert not event.finished
    assert (event.failed, event.document, event.reason) == (None, None, "")
