"""What the retrieval service can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from libs.settings import ServiceSettings
from services.retrieval.embedders.local import MODEL as LOCAL_MODEL
from services.retrieval.filtering.fields import parse_filter_fields
from services.retrieval.store.server.connection.addresses import Address, parse_addresses
from services.retrieval.terms.bm25 import LANGUAGES


class Settings(ServiceSettings):
    """Environment variables (or `.env`), one a field."""

    host: str = Field("127.0.0.1", validation_alias="RETRIEVAL_HOST")
    """Address to listen on. The service trusts the tenant it is told: keep it off public networks."""

    port: int = Field(50053, ge=0, le=65535, validation_alias="RETRIEVAL_PORT")
    """Port to listen on; 0 takes any free one."""

    metrics_port: int = Field(0, ge=0, le=65535, validation_alias="RETRIEVAL_METRICS_PORT")
    """Port of Prometheus metrics (`/metrics`); 0: none."""

    health_port: int = Field(0, ge=0, le=65535, validation_alias="RETRIEVAL_HEALTH_PORT")
    """A second port for health checks alone, without TLS: probes of Kubernetes cannot speak it. 0: none."""

    vector_store: Literal["edge", "qdrant"] = Field("edge", validation_alias="VECTOR_STORE")
    """`edge`: Qdrant Edge, in this process, in `data_dir`. `qdrant`: a Qdrant server or cluster, which any
    number of retrieval processes may share."""

    qdrant_url: str = Field("", validation_alias="QDRANT_URL")
    """Nodes of the Qdrant cluster, separated by commas, like http://a:6334,http://b:6334 (their gRPC ports;
    https for TLS). One is used until it is gone. Empty: QDRANT_HOST and QDRANT_PORT, without TLS."""

    qdrant_host: str = Field("127.0.0.1", validation_alias="QDRANT_HOST")
    """The Qdrant server, when there is one address for it."""

    qdrant_port: int = Field(6334, ge=1, le=65535, validation_alias="QDRANT_PORT")
    """Its gRPC port (not the HTTP one, 6333)."""

    qdrant_api_key: SecretStr = Field(SecretStr(""), validation_alias="QDRANT_API_KEY")
    """Sent to the server when set."""

    qdrant_collection: str = Field(
        "docuquery", pattern=r"^[A-Za-z0-9_-]{1,100}$", validation_alias="QDRANT_COLLECTION"
    )
    """First part of the names of the collections: `docuquery_chunks` (with an ending after a reindex) and
    `docuquery_documents`."""

    qdrant_replication_factor: int = Field(3, ge=1, le=32, validation_alias="QDRANT_REPLICATION_FACTOR")
    """Copies of everything; read when the collections are made. A single server keeps one."""

    qdrant_write_consistency_factor: int = Field(
        2, ge=1, le=32, validation_alias="QDRANT_WRITE_CONSISTENCY_FACTOR"
    )
    """Copies that must be written before a write counts. More than half of the copies, and fewer than all,
    so that one node may die; read when the collections are made."""

    qdrant_shard_number: int = Field(0, ge=0, le=1024, validation_alias="QDRANT_SHARD_NUMBER")
    """Parts the collections are cut into; 0: one a node. Read when the collections are made."""

    qdrant_timeout_seconds: float = Field(10.0, gt=0.0, validation_alias="QDRANT_TIMEOUT_SECONDS")
    """The longest one call to the server may take, repetitions on other nodes included."""

    data_dir: Path = Field(Path("data/retrieval"), validation_alias="DATA_DIR")
    """Folder of the embedded store; made when missing. One process may use it."""

    edge_warn_chunks: int = Field(200_000, ge=0, validation_alias="EDGE_WARN_CHUNKS")
    """A tenant with more chunks in the embedded store is warned of in the log: it should move to a server.
    0: never."""

    edge_min_free_bytes: int = Field(256 * 2**20, ge=0, validation_alias="EDGE_MIN_FREE_BYTES")
    """What the embedded store leaves free of its disk: with less, documents are refused (OVERLOADED), while
    those stored are served and can be deleted. On a full disk the engine could not go on."""

    compact_on_start: bool = Field(False, validation_alias="RETRIEVAL_COMPACT_ON_START")
    """Compact the embedded store in a child process before serving. The service is up that much later: a
    minute or two at 100,000 new chunks, seconds when there is nothing to do."""

    embedding_provider: Literal["local", "openai", "fastembed"] = Field(
        "local", validation_alias="EMBEDDING_PROVIDER"
    )
    """`local`: wordllama's static vectors, without network or key. `openai`: any OpenAI-compatible
    `/embeddings` endpoint. `fastembed`: ONNX models on this machine (needs the extra of that name). Once
    documents are stored, another one, or another model or length of vectors, is a change by REINDEX or
    `docuquery admin reindex`."""

    embedding_model: str = Field("", validation_alias="EMBEDDING_MODEL")
    """The provider's model; empty: wordllama-256, text-embedding-3-small, or BAAI/bge-small-en-v1.5."""

    embedding_base_url: str = Field("", pattern="^(https?://.+)?$", validation_alias="EMBEDDING_BASE_URL")
    """`openai`: where `/embeddings` is, as `http://host:8080/v1`; empty: OpenAI itself."""

    embedding_api_key: SecretStr = Field(SecretStr(""), validation_alias="EMBEDDING_API_KEY")
    """`openai`: its key; local servers need none."""

    openai_api_key: SecretStr = Field(SecretStr(""), validation_alias="OPENAI_API_KEY")
    """The key of the OpenAI account. Embeddings use it when EMBEDDING_API_KEY and EMBEDDING_BASE_URL are
    empty: it is sent to nobody else."""

    embedding_dimensions: int | None = Field(None, ge=1, le=65536, validation_alias="EMBEDDING_DIMENSIONS")
    """`openai`: length of the vectors, where the model can shorten them; empty: what it gives by itself."""

    embedding_batch_texts: int = Field(32, ge=1, le=2048, validation_alias="EMBEDDING_BATCH_TEXTS")
    """`openai`: texts a request, at most. 32 is what text-embeddings-inference takes by default."""

    embedding_batch_tokens: int = Field(100_000, ge=1, validation_alias="EMBEDDING_BATCH_TOKENS")
    """`openai`: estimated tokens a request, at most; OpenAI takes 300,000."""

    embedding_concurrency: int = Field(4, ge=1, le=256, validation_alias="EMBEDDING_CONCURRENCY")
    """`openai`: requests for chunks at a time; questions go besides."""

    embedding_timeout_seconds: float = Field(20.0, gt=0.0, validation_alias="EMBEDDING_TIMEOUT_SECONDS")
    """`openai`: the longest a batch or a question may take, waits and retries included; below
    INGEST_RETRIEVAL_TIMEOUT_SECONDS, so that the cause of a failure is told."""

    embedding_cache_bytes: int = Field(256 * 2**20, ge=0, validation_alias="EMBEDDING_CACHE_BYTES")
    """`openai`: size of the file in DATA_DIR that keeps vectors of texts seen before (hashes, no text);
    3 KB a text at 1,536 dimensions. 0: none."""

    embedding_model_path: str = Field("", validation_alias="EMBEDDING_MODEL_PATH")
    """`fastembed`: folder with the model's files; empty: fastembed's cache (FASTEMBED_CACHE_PATH)."""

    embedding_download: bool = Field(False, validation_alias="EMBEDDING_DOWNLOAD")
    """`fastembed`: download the model when it is not there."""

    reindex: Literal["refuse", "background"] = Field("refuse", validation_alias="REINDEX")
    """What to do at the start when the embedded store was filled by another embedder or word index.
    `refuse`: do not start. `background`: embed it anew while it is searched by the former vectors, then
    switch over. A server's store is changed by `docuquery admin reindex`."""

    quota_documents: int = Field(0, ge=0, validation_alias="QUOTA_DOCUMENTS")
    """Most documents a tenant may have indexed. 0: no limit."""

    quota_bytes: int = Field(0, ge=0, validation_alias="QUOTA_BYTES")
    """Most bytes (of the files as uploaded) a tenant may have indexed. 0: no limit."""

    bm25_language: str = Field("english", validation_alias="BM25_LANGUAGE")
    """Stop words and stemming for documents whose language is not known, or has none here; changed as the
    embedder is. Others have those of their own (see DOCUMENT_LANGUAGE). Chinese, Japanese, Korean,
    Thai, Lao, Khmer and Burmese are found under every language, and so are identifiers (`ERR-4512`)."""

    filter_fields: str = Field("", validation_alias="FILTER_FIELDS")
    """Fields of the metadata that filters compare with ranges, and what they hold: year:number,due:time (RFC
    3339 text). A Qdrant server gets an index for each; ranges over other fields work, but read every record
    of the tenant. After a change the next start brings what is stored up to date."""

    score_threshold: float = Field(0.0, ge=0.0, le=1.0, validation_alias="RETRIEVAL_SCORE_THRESHOLD")
    """Passages with a lower score (absolute, 0 to 1) are left out unless a request says otherwise."""

    fusion: Literal["min_max", "rrf"] = Field("min_max", validation_alias="RETRIEVAL_FUSION")
    """How hybrid search puts the two rankings together."""

    dense_weight: float = Field(0.55, ge=0.0, le=1.0, validation_alias="RETRIEVAL_DENSE_WEIGHT")
    """Share of the dense ranking in hybrid search; the words have the rest."""

    enable_reranking: bool = Field(False, validation_alias="ENABLE_RERANKING")
    """Order the best candidates once more, unless a request says otherwise. Requests that ask for it get it
    in any case, as queries do (QUERY_RERANKING)."""

    reranker: Literal["local", "http", "cross-encoder"] = Field("local", validation_alias="RERANKER")
    """`local`: by their best sentences and what passages share, about 5 ms. `http`: any `/rerank` endpoint
    (TEI, Jina, Cohere, vLLM). `cross-encoder`: a transformer on this machine (needs the extra fastembed)."""

    rerank_candidates: int = Field(0, ge=0, le=200, validation_alias="RERANK_CANDIDATES")
    """How many of the best are looked at; the others keep their order behind them. 0: 100 for `local`, 50
    for the others."""

    rerank_timeout_seconds: float = Field(2.0, gt=0.0, validation_alias="RERANK_TIMEOUT_SECONDS")
    """The longest reranking may take; after that the search answers without, and says so."""

    rerank_url: str = Field("", pattern="^(https?://.+)?$", validation_alias="RERANK_URL")
    """`http`: the endpoint itself, as `http://host:8080/rerank`."""

    rerank_api_key: SecretStr = Field(SecretStr(""), validation_alias="RERANK_API_KEY")
    """`http`: sent as a bearer token when set."""

    rerank_model: str = Field("", validation_alias="RERANK_MODEL")
    """`http`: named to the endpoint, which then gets the request of Jina and Cohere; empty: that of TEI.
    `cross-encoder`: the model; empty: Xenova/ms-marco-MiniLM-L-6-v2."""

    rerank_model_path: str = Field("", validation_alias="RERANK_MODEL_PATH")
    """`cross-encoder`: folder with the model's files; empty: fastembed's cache (FASTEMBED_CACHE_PATH)."""

    rerank_download: bool = Field(False, validation_alias="RERANK_DOWNLOAD")
    """`cross-encoder`: download the model when it is not there."""

    enable_semantic_cache: bool = Field(False, validation_alias="ENABLE_SEMANTIC_CACHE")
    """Answer a question that was answered before without searching or asking a model, while the documents are
    the same. Gateway and all retrieval replicas must be set alike."""

    semantic_cache_similarity: float = Field(
        0.7, ge=0.0, le=1.0, validation_alias="SEMANTIC_CACHE_SIMILARITY"
    )
    """Cosine that two questions in nearly the same words need besides; 1: only the same words count
    (docs/semantic-cache.md)."""

    semantic_cache_ttl_seconds: float = Field(3600.0, gt=0.0, validation_alias="SEMANTIC_CACHE_TTL_SECONDS")
    """The longest an answer is kept."""

    semantic_cache_max_entries: int = Field(10_000, ge=1, validation_alias="SEMANTIC_CACHE_MAX_ENTRIES")
    """Answers kept in one process. The tenant that has most loses one when there are more."""

    semantic_cache_max_bytes: int = Field(64 * 2**20, ge=2**20, validation_alias="SEMANTIC_CACHE_MAX_BYTES")
    """Estimated memory they may take in one process."""

    old_version_grace_seconds: float = Field(
        5.0, ge=0.0, validation_alias="RETRIEVAL_OLD_VERSION_GRACE_SECONDS"
    )
    """How long chunks of a replaced or deleted version stay stored, unseen; longer than any search takes."""

    ingest_lease_seconds: float = Field(120.0, gt=0.0, validation_alias="INGEST_LEASE_SECONDS")
    """An attempt that says nothing for this long counts as failed."""

    @field_validator("bm25_language")
    @classmethod
    def _known_language(cls, value: str) -> str:
        if value not in LANGUAGES:
            raise ValueError(f"must be one of {', '.join(LANGUAGES)}")
        return value

    @field_validator("filter_fields")
    @classmethod
    def _known_fields(cls, value: str) -> str:
        parse_filter_fields(value)
        return value

    @field_validator("qdrant_url")
    @classmethod
    def _known_nodes(cls, value: str) -> str:
        if value:
            parse_addresses(value)
        return value

    @property
    def qdrant_nodes(self) -> tuple[Address, ...]:
        """Where the Qdrant server, or the nodes of its cluster, are."""
        return parse_addresses(self.qdrant_url or f"http://{self.qdrant_host}:{self.qdrant_port}")

    def faults_together(self) -> list[str]:
        """See `ServiceSettings.faults_together`."""
        faults = super().faults_together()
        if self.reranker == "http" and not self.rerank_url:
            faults.append("RERANK_URL must be set for the reranker http")
        if self.embedding_provider == "local" and self.embedding_model not in ("", LOCAL_MODEL):
            faults.append(
                f"EMBEDDING_MODEL must be {LOCAL_MODEL} (or empty) for the provider local; for another model "
                "set EMBEDDING_PROVIDER"
            )
        if self.embedding_provider == "openai" and not (self.embedding_base_url or self.embedding_key):
            faults.append(
                "EMBEDDING_API_KEY (or OPENAI_API_KEY) must be set for the provider openai, or "
                "EMBEDDING_BASE_URL to a server that needs no key"
            )
        return faults

    @property
    def embedding_key(self) -> str:
        """The key for embeddings; OpenAI's own goes to OpenAI only."""
        own = self.embedding_api_key.get_secret_value()
        return own or ("" if self.embedding_base_url else self.openai_api_key.get_secret_value())
