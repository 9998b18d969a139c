"""Every failure becomes one typed error, by class, code and status alone."""

from __future__ import annotations

import json
import ssl

import anthropic
import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import CODES, LLM_DOMAIN, DocuQueryError
from services.answer.providers.errors import (
    DECISIVE_CODES,
    GENERIC_TYPES,
    MESSAGES,
    STATUSES,
    BadResponseError,
    Phase,
    StreamTruncatedError,
    translate,
)

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1")
MID = Phase.MID_STREAM


def translated(exception: BaseException, phase: Phase = Phase.OPENING) -> DocuQueryError:
    return translate(exception, provider="p", model="m", phase=phase)


def openai_status(status: int, body: object = None, **headers: str) -> openai.APIStatusError:
    response = httpx2.Response(status, headers=headers, request=REQUEST)
    return openai.APIStatusError("text", response=response, body=body)


def anthropic_status(status: int, error: object = None) -> anthropic.APIStatusError:
    response = httpx2.Response(status, request=REQUEST)
    return anthropic.APIStatusError("text", response=response, body={"error": error})


def test_every_reason_that_can_come_out_has_a_sentence_and_a_code() -> None:
    given_out = {*DECISIVE_CODES.values(), *STATUSES.values(), *GENERIC_TYPES.values()} | {
        reasons.ERROR_REASON_PROVIDER_CONNECTION,
        reasons.ERROR_REASON_PROVIDER_INTERNAL,
        reasons.ERROR_REASON_STREAM_TRUNCATED,
        reasons.ERROR_REASON_PROVIDER_BAD_RESPONSE,
    }
    assert set(MESSAGES) == given_out
    assert set(CODES) >= given_out


def test_every_provider_reason_of_the_contract_can_come_out_except_the_gateways_own() -> None:
    provider = {r for r in CODES if r >= 100}
    assert provider - set(MESSAGES) == {reasons.ERROR_REASON_ALL_PROVIDERS_FAILED}


@given(st.integers(300, 999), st.text(max_size=20), st.text(max_size=20), st.sampled_from(Phase))
def test_any_status_type_and_code_gives_an_error_in_our_domain(
    status: int, kind: str, code: str, phase: Phase
) -> None:
    for error in (
        translated(openai_status(status, {"type": kind, "code": code}), phase),
        translated(anthropic_status(status, {"type": kind}), phase),
    ):
        assert error.domain == LLM_DOMAIN
        assert error.metadata["http_status"] == str(status)
        assert error.metadata["phase"] == phase.value
        assert error.message == translated(error).message


@given(st.sampled_from([400, 401, 404, 429, 500, 503]), st.text(max_size=40))
def test_what_a_provider_writes_changes_nothing(status: int, text: str) -> None:
    response = httpx2.Response(status, request=REQUEST)
    plain = translated(openai.APIStatusError("", response=response, body={"message": ""}))
    worded = translated(openai.APIStatusError(text, response=response, body={"message": text}))
    assert (worded.reason, worded.message, worded.metadata) == (plain.reason, plain.message, plain.metadata)


@pytest.mark.parametrize(
    ("exception", "reason"),
    [
        (TimeoutError(), reasons.ERROR_REASON_PROVIDER_TIMEOUT),
        (httpx2.ReadTimeout("x"), reasons.ERROR_REASON_PROVIDER_TIMEOUT),
        (httpx2.PoolTimeout("x"), reasons.ERROR_REASON_PROVIDER_TIMEOUT),
        (openai.APITimeoutError(REQUEST), reasons.ERROR_REASON_PROVIDER_TIMEOUT),
        (anthropic.APITimeoutError(REQUEST), reasons.ERROR_REASON_PROVIDER_TIMEOUT),
        (httpx2.RemoteProtocolError("x"), reasons.ERROR_REASON_PROVIDER_CONNECTION),
        (httpx2.ConnectError("x"), reasons.ERROR_REASON_PROVIDER_CONNECTION),
        (ConnectionResetError(), reasons.ERROR_REASON_PROVIDER_CONNECTION),
        (ssl.SSLError(), reasons.ERROR_REASON_PROVIDER_CONNECTION),
        (openai.APIConnectionError(request=REQUEST), reasons.ERROR_REASON_PROVIDER_CONNECTION),
        (anthropic.APIConnectionError(request=REQUEST), reasons.ERROR_REASON_PROVIDER_CONNECTION),
        (httpx2.DecodingError("x"), reasons.ERROR_REASON_PROVIDER_BAD_RESPONSE),
        (json.JSONDecodeError("x", "{", 0), reasons.ERROR_REASON_PROVIDER_BAD_RESPONSE),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"), reasons.ERROR_REASON_PROVIDER_BAD_RESPONSE),
        (BadResponseError(), reasons.ERROR_REASON_PROVIDER_BAD_RESPONSE),
        (RuntimeError("anything else"), reasons.ERROR_REASON_PROVIDER_BAD_RESPONSE),
        (StreamTruncatedError(), reasons.ERROR_REASON_STREAM_TRUNCATED),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, BaseException) else "",
)
def test_transport_failures_go_by_class(exception: Exception, reason: reasons.ErrorReason.ValueType) -> None:
    error = translated(exception, MID)
    assert error.reason == reason
    assert error.metadata == {"provider": "p", "model": "m", "phase": "MID_STREAM"}


def test_an_undecodable_body_is_no_broken_connection_though_the_sdk_wraps_it_as_one() -> None:
    wrapped = openai.APIConnectionError(request=REQUEST)
    wrapped.__cause__ = httpx2.DecodingError("x")
    assert translated(wrapped).reason == reasons.ERROR_REASON_PROVIDER_BAD_RESPONSE


def test_an_error_that_is_typed_already_passes_unchanged() -> None:
    error = DocuQueryError(reasons.ERROR_REASON_PROVIDER_CONFLICT, "x")
    assert translated(error) is error


def test_a_generic_type_does_not_overrule_the_status() -> None:
    body = {"type": "invalid_request_error", "code": None}
    assert translated(openai_status(401, body)).reason == reasons.ERROR_REASON_PROVIDER_CREDENTIALS
    assert translated(openai_status(404, body)).reason == reasons.ERROR_REASON_PROVIDER_MODEL_NOT_FOUND


def test_the_providers_request_id_is_kept_and_bounded() -> None:
    error = translated(openai_status(500, None, **{"x-request-id": "r" * 500}))
    assert error.metadata["provider_request_id"] == "r" * 128
