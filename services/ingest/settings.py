"""Settings of the ingest service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from libs.settings import MIB, ServiceSettings
from services.ingest.chunking import DEFAULT_MAX_CHARACTERS, DEFAULT_OVERLAP


class Settings(ServiceSettings):
    """What the ingest service reads from the environment."""

    host: str = Field("127.0.0.1", validation_alias="INGEST_HOST")
    """Address to listen on."""

    port: int = Field(50052, ge=0, le=65535, validation_alias="INGEST_PORT")
    """Port to listen on; 0 takes any free one."""

    retrieval_target: str = Field("127.0.0.1:50053", min_length=1, validation_alias="RETRIEVAL_TARGET")
    """Where the retrieval service is: `host:port` or any gRPC name."""

    chunk_size: int = Field(DEFAULT_MAX_CHARACTERS, ge=50, le=8000, validation_alias="CHUNK_SIZE")
    """Longest chunk in Unicode code points. Changing it makes new versions of re-uploaded documents."""

    chunk_overlap: int = Field(DEFAULT_OVERLAP, ge=0, validation_alias="CHUNK_OVERLAP")
    """Code points a chunk may repeat of the one before it; at most half of CHUNK_SIZE."""

    max_document_bytes: int = Field(64 * MIB, ge=1, validation_alias="MAX_DOCUMENT_BYTES")
    """Largest document."""

    spool_dir: Path | None = Field(None, validation_alias="INGEST_SPOOL_DIR")
    """Where uploads wait on disk; default: a folder of this user's in the system's temporary folder. Each
    process uses a sub-folder of its own and removes those of processes that are gone."""

    workers: int = Field(2, ge=1, le=64, validation_alias="INGEST_WORKERS")
    """Processes that read documents; one for each core that is to be used."""

    worker_memory_bytes: int = Field(1024 * MIB, ge=256 * MIB, validation_alias="INGEST_WORKER_MEMORY_BYTES")
    """Address space of one such process (about 120 MiB of it are the libraries)."""

    worker_max_documents: int = Field(500, ge=1, validation_alias="INGEST_WORKER_MAX_DOCUMENTS")
    """Documents after which a process is replaced, so that no leak in a parser grows for ever."""

    parse_timeout_seconds: float = Field(60.0, gt=0, validation_alias="INGEST_PARSE_TIMEOUT_SECONDS")
    """How long reading one document may take."""

    documents_in_flight: int = Field(4, ge=1, le=64, validation_alias="INGEST_DOCUMENTS_IN_FLIGHT")
    """Complete documents of one stream being read or written at a time."""

    open_uploads: int = Field(32, ge=1, validation_alias="INGEST_OPEN_UPLOADS")
    """Documents of one stream whose bytes may arrive interleaved."""

    max_documents_per_stream: int = Field(100_000, ge=1, validation_alias="INGEST_MAX_DOCUMENTS_PER_STREAM")
    """Documents of one stream in all."""

    idle_timeout_seconds: float = Field(120.0, gt=0, validation_alias="INGEST_IDLE_TIMEOUT_SECONDS")
    """How long a caller may send nothing while the server waits for it."""

    retrieval_timeout_seconds: float = Field(30.0, gt=0, validation_alias="INGEST_RETRIEVAL_TIMEOUT_SECONDS")
    """Limit of one call to retrieval."""

    retrieval_retry_seconds: float = Field(30.0, ge=0, validation_alias="INGEST_RETRIEVAL_RETRY_SECONDS")
    """How long a call to retrieval is repeated when retrieval cannot be reached (it may be restarting)."""

    @model_validator(mode="after")
    def _overlap_fits(self) -> Settings:
        if self.chunk_overlap > self.chunk_size // 2:
            raise ValueError("CHUNK_OVERLAP must be at most half of CHUNK_SIZE")
        return self
