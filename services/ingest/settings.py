"""Settings of the ingest service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from libs.settings import MIB, ServiceSettings
from services.ingest.chunking.chunking import DEFAULT_MAX_CHARACTERS, DEFAULT_OVERLAP
from services.ingest.parsers.limits import ParseLimits
from services.ingest.spool.spool import DEFAULT_MAX_BYTES
from services.ingest.uploads.tenant_languages import TenantLanguages, parse_language, parse_tenant_languages

_LIMITS = ParseLimits()


class Settings(ServiceSettings):
    """What the ingest service reads from the environment."""

    host: str = Field("127.0.0.1", validation_alias="INGEST_HOST")
    """Address to listen on."""

    port: int = Field(50052, ge=0, le=65535, validation_alias="INGEST_PORT")
    """Port to listen on; 0 takes any free one."""

    metrics_port: int = Field(0, ge=0, le=65535, validation_alias="INGEST_METRICS_PORT")
    """Port of Prometheus metrics (`/metrics`); 0: none."""

    health_port: int = Field(0, ge=0, le=65535, validation_alias="INGEST_HEALTH_PORT")
    """A second port for health checks alone, without TLS: probes of Kubernetes cannot speak it. 0: none."""

    retrieval_target: str = Field("127.0.0.1:50053", min_length=1, validation_alias="RETRIEVAL_TARGET")
    """Where the retrieval service is: `host:port` or any gRPC name."""

    chunk_size: int = Field(DEFAULT_MAX_CHARACTERS, ge=50, le=8000, validation_alias="CHUNK_SIZE")
    """Longest chunk in Unicode code points. Changing it makes new versions of re-uploaded documents."""

    chunk_overlap: int = Field(DEFAULT_OVERLAP, ge=0, validation_alias="CHUNK_OVERLAP")
    """Code points a chunk may repeat of the one before it; at most half of CHUNK_SIZE."""

    document_language: str = Field("auto", validation_alias="DOCUMENT_LANGUAGE")
    """Language of documents whose upload names none: `auto` tells it from the text, a code such as `de` holds
    for all. Changing it makes new versions of re-uploaded documents."""

    tenant_languages: str = Field("", validation_alias="TENANT_LANGUAGES")
    """The same for single tenants, such as acme=de,globex=auto."""

    max_document_bytes: int = Field(64 * MIB, ge=1, validation_alias="MAX_DOCUMENT_BYTES")
    """Largest document."""

    spool_dir: Path | None = Field(None, validation_alias="INGEST_SPOOL_DIR")
    """Where uploads wait on disk; default: a folder of this user's in the system's temporary folder. Each
    process uses a sub-folder of its own and removes those of processes that are gone."""

    spool_max_bytes: int = Field(DEFAULT_MAX_BYTES, ge=1, validation_alias="INGEST_SPOOL_MAX_BYTES")
    """Most bytes of uploads on disk at a time (default 4 GiB), half of it for one tenant; what goes over is
    refused as OVERLOADED. At least twice MAX_DOCUMENT_BYTES."""

    workers: int = Field(2, ge=1, le=64, validation_alias="INGEST_WORKERS")
    """Processes that read documents; one for each core that is to be used."""

    worker_memory_bytes: int = Field(1024 * MIB, ge=256 * MIB, validation_alias="INGEST_WORKER_MEMORY_BYTES")
    """Address space of one such process (about 120 MiB of it are the libraries)."""

    worker_max_documents: int = Field(500, ge=1, validation_alias="INGEST_WORKER_MAX_DOCUMENTS")
    """Documents after which a process is replaced, so that no leak in a parser grows for ever."""

    parse_timeout_seconds: float = Field(60.0, gt=0, validation_alias="INGEST_PARSE_TIMEOUT_SECONDS")
    """How long reading one document may take."""

    max_pages: int = Field(_LIMITS.max_pages, ge=1, validation_alias="INGEST_MAX_PAGES")
    """Most pages of a PDF, or slides of a presentation."""

    max_characters: int = Field(_LIMITS.max_characters, ge=1, validation_alias="INGEST_MAX_CHARACTERS")
    """Longest text of a document in Unicode code points, after normalisation."""

    max_archive_members: int = Field(
        _LIMITS.max_archive_members, ge=1, validation_alias="INGEST_MAX_ARCHIVE_MEMBERS"
    )
    """Most files inside an Office or EPUB document."""

    max_archive_bytes: int = Field(
        _LIMITS.max_archive_bytes, ge=1, validation_alias="INGEST_MAX_ARCHIVE_BYTES"
    )
    """Largest size of an Office or EPUB document's parts in all, decompressed."""

    max_decompression_ratio: int = Field(
        _LIMITS.max_decompression_ratio, ge=1, validation_alias="INGEST_MAX_DECOMPRESSION_RATIO"
    )
    """How many times its own size an Office or EPUB document may decompress to, beyond the first 16 MiB."""

    max_nesting: int = Field(_LIMITS.max_nesting, ge=16, le=2048, validation_alias="INGEST_MAX_NESTING")
    """Most HTML elements inside each other. XML parts are never read deeper than 256."""

    documents_in_flight: int = Field(16, ge=1, le=64, validation_alias="INGEST_DOCUMENTS_IN_FLIGHT")
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

    def parse_limits(self) -> ParseLimits:
        """What the parsers accept."""
        return ParseLimits(
            max_pages=self.max_pages,
            max_characters=self.max_characters,
            max_archive_members=self.max_archive_members,
            max_archive_bytes=self.max_archive_bytes,
            max_decompression_ratio=self.max_decompression_ratio,
            max_nesting=self.max_nesting,
        )

    def languages(self) -> TenantLanguages:
        """Which language documents are in, when their upload does not say."""
        return TenantLanguages(
            parse_language(self.document_language), parse_tenant_languages(self.tenant_languages)
        )

    @field_validator("document_language")
    @classmethod
    def _known_language(cls, value: str) -> str:
        parse_language(value)
        return value

    @field_validator("tenant_languages")
    @classmethod
    def _known_languages(cls, value: str) -> str:
        parse_tenant_languages(value)
        return value

    def faults_together(self) -> list[str]:
        """See `ServiceSettings.faults_together`."""
        faults = super().faults_together()
        if self.spool_max_bytes < 2 * self.max_document_bytes:
            faults.append("INGEST_SPOOL_MAX_BYTES must be at least twice MAX_DOCUMENT_BYTES")
        if self.chunk_overlap > self.chunk_size // 2:
            faults.append("CHUNK_OVERLAP must be at most half of CHUNK_SIZE")
        return faults
