"""The gateway's settings, and the combinations it refuses to start with."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from libs.settings import describe_faults
from services.gateway.settings import Settings

KEYS = json.dumps(
    [
        {
            "tenant": "acme",
            "name": "backend",
            "sha256": hashlib.sha256(b"secret").hexdigest(),
            "scopes": ["read"],
        }
    ]
)


def build(**fields: Any) -> Settings:
    return Settings(_env_file=None, **fields)


def faults(**fields: Any) -> str:
    with pytest.raises(ValidationError) as error:
        build(**fields)
    return "\n".join(describe_faults(error.value))


def test_as_many_calls_may_come_at_once_as_there_are_places_and_some_in_any_case() -> None:
    assert build().backlog == 256 + 128 + 32
    assert build(query_concurrency=1, read_concurrency=1, upload_concurrency=1).backlog == 256


def test_the_defaults_serve_one_machine() -> None:
    settings = build()
    assert (settings.host, settings.port) == ("127.0.0.1", 50051)
    assert settings.rate_limit_requests == 0
    assert settings.load_keys() == ()
    assert settings.query_policy.provider_order == ()
    assert settings.query_policy.extractive_fallback
    assert settings.query_policy.rerank


def test_the_environment_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {
        "GATEWAY_PORT": "6000",
        "ANSWER_TARGET": "answer:50054",
        "LLM_PROVIDER": "anthropic, openai",
        "EXTRACTIVE_FALLBACK": "false",
        "QUERY_MAX_SECONDS": "20",
        "QUERY_RERANKING": "false",
        "RATE_LIMIT_REQUESTS": "10",
        "RATE_LIMIT_WINDOW": "2",
        "BREAKER_OPEN_SECONDS": "1",
        "API_KEYS": KEYS,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = build()
    assert (settings.port, settings.answer_target) == (6000, "answer:50054")
    assert settings.query_policy.provider_order == ("anthropic", "openai")
    assert not settings.query_policy.extractive_fallback
    assert settings.query_policy.max_seconds == 20
    assert not settings.query_policy.rerank
    assert (settings.rate_limit_requests, settings.rate_limit_window_seconds) == (10, 2)
    assert settings.breaker_policy.open_seconds == 1
    assert [key.name for key in settings.load_keys()] == ["backend"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "gateway.example"])
def test_it_refuses_to_serve_other_machines_without_keys(host: str) -> None:
    said = faults(host=host)
    assert f"GATEWAY_HOST={host}" in said
    assert "ALLOW_ANONYMOUS=true" in said


@pytest.mark.parametrize("fields", [{"allow_anonymous": True}, {"api_keys": KEYS}])
def test_unless_there_are_keys_or_it_is_meant(fields: dict[str, Any]) -> None:
    assert build(host="0.0.0.0", allow_plaintext=True, **fields).host == "0.0.0.0"


def test_prod_serves_nobody_without_a_key_and_nothing_in_plain_text() -> None:
    assert "prod needs API_KEYS" in faults(profile="prod", allow_anonymous=True)
    said = faults(profile="prod", host="0.0.0.0", allow_plaintext=True)
    assert "prod needs API_KEYS" in said
    assert "prod needs TLS" in said
    settings = build(profile="prod", api_keys=KEYS)
    assert (settings.log_format, settings.environment) == ("json", "production")
    assert not settings.reflection_open


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "::1", "[::1]"])
def test_this_machine_needs_no_keys(host: str) -> None:
    assert build(host=host).host == host


def test_faults_of_the_keys_are_told_at_start_without_a_secret(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text('[{"tenant": "acme", "name": "b", "sha256": "plain-secret", "scopes": ["read"]}]')
    said = faults(API_KEYS_FILE=file, API_KEYS="[", RETRIEVAL_TOP_K=0)
    assert "API_KEYS_FILE: 0.sha256" in said
    assert "API_KEYS: not valid JSON" in said
    assert "RETRIEVAL_TOP_K" in said
    assert "plain-secret" not in said


def test_a_name_that_stands_in_both_places_is_told_too(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(KEYS)
    assert "together: each name may stand only once: backend" in faults(api_keys=KEYS, api_keys_file=file)


def test_keys_never_show_in_the_settings() -> None:
    assert "acme" not in repr(build(api_keys=KEYS))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"unary_upload_max_bytes": 17 * 1024 * 1024}, "GATEWAY_MAX_MESSAGE_BYTES"),
        ({"breaker_open_seconds": 90}, "BREAKER_OPEN_MAX_SECONDS"),
        ({"llm_provider": "auto,openai"}, "LLM_PROVIDER"),
        ({"retrieval_top_k": 0}, "RETRIEVAL_TOP_K"),
        ({"retrieval_top_k": 21}, "RETRIEVAL_TOP_K"),
        ({"question_max_characters": 0}, "QUESTION_MAX_CHARACTERS"),
        ({"query_max_seconds": 0}, "QUERY_MAX_SECONDS"),
        ({"breaker_failure_rate": 1.5}, "BREAKER_FAILURE_RATE"),
        ({"retrieval_target": "a:1,b:2"}, "RETRIEVAL_TARGET: in a list each must be IP:port"),
        ({"readiness_services": "retrieval,qdrant"}, "READINESS_SERVICES: knows no service qdrant"),
        ({"rate_limit_classes": "free"}, "RATE_LIMIT_CLASSES"),
        ({"state_url": "localhost:6379"}, "STATE_URL: must be redis://HOST:PORT/DATABASE"),
        ({"query_concurrency": 0}, "QUERY_CONCURRENCY"),
    ],
)
def test_a_fault_is_told_by_the_variable_s_name(fields: dict[str, Any], said: str) -> None:
    aliases = {name: field.validation_alias for name, field in Settings.model_fields.items()}
    named = {str(aliases[name]): value for name, value in fields.items()}
    assert said in faults(**named)


def test_a_key_s_rate_class_must_exist() -> None:
    keys = json.loads(KEYS)
    keys[0]["rate_class"] = "batch"
    said = faults(api_keys=json.dumps(keys), rate_limit_classes="free=1")
    assert "backend: rate_class 'batch' is not one of RATE_LIMIT_CLASSES (free)" in said
    build(api_keys=json.dumps(keys), rate_limit_classes="batch=1")


def test_an_empty_list_of_keys_lets_nobody_in_instead_of_everybody(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text("[]")
    settings = build(host="0.0.0.0", allow_plaintext=True, api_keys_file=file)
    assert (settings.has_keys, settings.load_keys()) == (True, ())


def test_a_question_that_waited_for_its_caller_s_place_and_for_room_still_has_all_its_time() -> None:
    settings = build(query_max_seconds=60, admission_wait_seconds=5)
    assert settings.longest_seconds["/docuquery.gateway.v1.DocuQueryService/Query"] == 5 + 5 + 60 + 1
