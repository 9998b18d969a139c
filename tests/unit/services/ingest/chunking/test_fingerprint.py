"""Versions of documents."""

from __future__ import annotations

import re

from services.ingest.chunking.fingerprint import Fingerprint
from services.ingest.model import DocumentType

SHA = "a" * 64


def version(
    kind: DocumentType = DocumentType.TEXT, sha256: str = SHA, size: int = 500, overlap: int = 50
) -> str:
    return Fingerprint(chunk_size=size, chunk_overlap=overlap).version_of(kind, sha256)


def test_a_version_is_a_sha_256_and_stable() -> None:
    """The same bytes and settings have the same version in every process."""
    assert re.fullmatch("[0-9a-f]{64}", version())
    assert version() == version()


def test_everything_that_changes_the_result_changes_the_version() -> None:
    """Bytes, type, chunk size, overlap."""
    versions = {
        version(),
        version(sha256="b" * 64),
        version(DocumentType.MARKDOWN),
        version(size=501),
        version(overlap=51),
    }
    assert len(versions) == 5
