"""Settings are checked at once, by name."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from services.ingest.settings import Settings


def test_the_defaults_are_valid() -> None:
    """Chunks of 500 with 50 of overlap, 64 MiB, loopback."""
    made = Settings(_env_file=None)
    assert (made.chunk_size, made.chunk_overlap, made.max_document_bytes) == (500, 50, 64 * 1024 * 1024)
    assert (made.host, made.port) == ("127.0.0.1", 50052)


def test_the_environment_is_read_under_the_documented_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few of them."""
    for name, value in {"CHUNK_SIZE": "800", "INGEST_WORKERS": "3", "MAX_DOCUMENT_BYTES": "1000"}.items():
        monkeypatch.setenv(name, value)
    made = Settings(_env_file=None)
    assert (made.chunk_size, made.workers, made.max_document_bytes) == (800, 3, 1000)


@pytest.mark.parametrize(
    "wrong",
    [
        {"chunk_size": 100, "chunk_overlap": 51},
        {"chunk_size": 10},
        {"chunk_overlap": -1},
        {"workers": 0},
        {"worker_memory_bytes": 1},
        {"parse_timeout_seconds": 0},
        {"max_document_bytes": 0},
        {"max_document_bytes": 1001, "spool_max_bytes": 2000},
        {"retrieval_target": ""},
    ],
)
def test_values_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    """Before anything starts."""
    with pytest.raises(ValidationError):
        Settings(_env_file=None, **wrong)
