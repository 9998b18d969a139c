"""Settings that cannot work are refused at the start, by name, with what would be right."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from libs.settings import describe_faults
from services.retrieval.app import EMBEDDERS, FUSIONS, RERANKERS, STORES
from services.retrieval.settings import Settings


def faults(monkeypatch: pytest.MonkeyPatch, **environment: str) -> list[str]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as caught:
        Settings(_env_file=None)
    return describe_faults(caught.value)


def test_the_environment_sets_every_field(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "RETRIEVAL_PORT": "1234",
        "DATA_DIR": "/somewhere",
        "RETRIEVAL_SCORE_THRESHOLD": "0.25",
        "RETRIEVAL_FUSION": "rrf",
        "RETRIEVAL_DENSE_WEIGHT": "0.7",
        "BM25_LANGUAGE": "german",
        "RETRIEVAL_OLD_VERSION_GRACE_SECONDS": "1.5",
        "INGEST_LEASE_SECONDS": "60",
    }.items():
        monkeypatch.setenv(name, value)
    settings = Settings(_env_file=None)
    assert (settings.port, str(settings.data_dir), settings.score_threshold) == (1234, "/somewhere", 0.25)
    assert (settings.fusion, settings.dense_weight, settings.bm25_language) == ("rrf", 0.7, "german")
    assert (settings.old_version_grace_seconds, settings.ingest_lease_seconds) == (1.5, 60.0)


def test_an_unknown_embedder_is_refused_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    (fault,) = faults(monkeypatch, EMBEDDING_PROVIDER="telepathy")
    assert fault.startswith("EMBEDDING_PROVIDER")
    assert "local" in fault


def test_an_unknown_language_is_refused_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    (fault,) = faults(monkeypatch, BM25_LANGUAGE="klingon")
    assert fault.startswith("BM25_LANGUAGE")
    assert "english" in fault
    assert "german" in fault


def test_every_fault_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = faults(monkeypatch, VECTOR_STORE="paper", RETRIEVAL_DENSE_WEIGHT="2", INGEST_LEASE_SECONDS="0")
    assert {fault.split(":")[0] for fault in found} == {
        "VECTOR_STORE",
        "RETRIEVAL_DENSE_WEIGHT",
        "INGEST_LEASE_SECONDS",
    }


def test_the_composition_root_builds_exactly_what_settings_offer() -> None:
    fields = Settings.model_fields
    for name, built in (
        ("embedding_provider", EMBEDDERS),
        ("vector_store", STORES),
        ("fusion", FUSIONS),
        ("reranker", RERANKERS),
    ):
        annotation = fields[name].annotation
        assert annotation is not None
        assert set(built) == set(annotation.__args__)


def test_the_openai_embedder_needs_a_key_or_a_server_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (fault,) = faults(monkeypatch, EMBEDDING_PROVIDER="openai")
    assert "EMBEDDING_API_KEY" in fault
    assert "EMBEDDING_BASE_URL" in fault
    monkeypatch.setenv("EMBEDDING_BASE_URL", "http://127.0.0.1:8080/v1")
    assert Settings(_env_file=None).embedding_key == ""


def test_the_openai_key_goes_to_openai_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDDING_PROVIDER", "openai")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    assert Settings(_env_file=None).embedding_key == "sk-openai"
    monkeypatch.setenv("EMBEDDING_BASE_URL", "https://embeddings.example/v1")
    assert Settings(_env_file=None).embedding_key == ""
    monkeypatch.setenv("EMBEDDING_API_KEY", "sk-example")
    settings = Settings(_env_file=None)
    assert settings.embedding_key == "sk-example"
    assert "sk-" not in repr(settings)


def test_a_model_the_local_embedder_has_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    (fault,) = faults(monkeypatch, EMBEDDING_MODEL="text-embedding-3-small")
    assert "EMBEDDING_MODEL must be wordllama-256" in fault
    assert "EMBEDDING_PROVIDER" in fault


def test_a_reranker_over_http_needs_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    (fault,) = faults(monkeypatch, RERANKER="http")
    assert "RERANK_URL" in fault
    monkeypatch.setenv("RERANK_URL", "http://127.0.0.1:8080/rerank")
    monkeypatch.setenv("RERANK_API_KEY", "secret")
    settings = Settings(_env_file=None)
    assert settings.reranker == "http"
    assert "secret" not in repr(settings)
