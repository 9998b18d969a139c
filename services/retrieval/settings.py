"""What the retrieval service can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from libs.settings import ServiceSettings
from services.retrieval.sparse import LANGUAGES


class Settings(ServiceSettings):
    """Environment variables (or `.env`), one a field."""

    host: str = Field("127.0.0.1", validation_alias="RETRIEVAL_HOST")
    """Address to listen on. The service trusts the tenant it is told: keep it off public networks."""

    port: int = Field(50053, ge=0, le=65535, validation_alias="RETRIEVAL_PORT")
    """Port to listen on; 0 takes any free one."""

    vector_store: Literal["edge"] = Field("edge", validation_alias="VECTOR_STORE")
    """`edge`: Qdrant Edge, in this process, in `data_dir`."""

    data_dir: Path = Field(Path("data/retrieval"), validation_alias="DATA_DIR")
    """Folder of the embedded store; made when missing. One process may use it."""

    embedding_provider: Literal["local"] = Field("local", validation_alias="EMBEDDING_PROVIDER")
    """`local`: wordllama's static vectors, without network or key."""

    embedding_model: Literal["wordllama-256"] = Field("wordllama-256", validation_alias="EMBEDDING_MODEL")
    """The provider's model."""

    bm25_language: str = Field("english", validation_alias="BM25_LANGUAGE")
    """Stop words and stemming of the word index; fixed once documents are stored."""

    score_threshold: float = Field(0.0, ge=0.0, le=1.0, validation_alias="RETRIEVAL_SCORE_THRESHOLD")
    """Passages with a lower score (absolute, 0 to 1) are left out unless a request says otherwise."""

    fusion: Literal["min_max", "rrf"] = Field("min_max", validation_alias="RETRIEVAL_FUSION")
    """How hybrid search puts the two rankings together."""

    dense_weight: float = Field(0.5, ge=0.0, le=1.0, validation_alias="RETRIEVAL_DENSE_WEIGHT")
    """Share of the dense ranking in hybrid search; the words have the rest."""

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
