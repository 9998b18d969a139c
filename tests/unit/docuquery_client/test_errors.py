"""ApiError and what it is made from."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import grpc
import pytest
from google.rpc.status_pb2 import Status

from docuquery_client.errors import RETRYABLE_REASONS, ApiError, FieldViolation, from_rpc_error

PROTO = Path(__file__).parents[3] / "protos/docuquery/common/v1/error_reason.proto"


def failed(code: grpc.StatusCode, details: str = "", *trailing: tuple[str, bytes]) -> grpc.aio.AioRpcError:
    metadata = grpc.aio.Metadata(*trailing)
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), metadata, details=details)


def test_the_retryable_reasons_are_those_the_contract_calls_so() -> None:
    body = PROTO.read_text().split("enum ErrorReason {")[1]
    entries = re.findall(r"((?:^ *//.*\n)+) *ERROR_REASON_(\w+) = \d+;", body, re.MULTILINE)
    assert len(entries) > 40
    retryable = {name for comment, name in entries if "Retryable" in comment}
    assert retryable == RETRYABLE_REASONS


def test_an_error_comes_back_whole_from_another_process() -> None:
    error = ApiError(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "RATE_LIMITED",
        "Wait.",
        violations=[FieldViolation("a", "b")],
        retry_after_seconds=1.5,
        request_id="r-1",
        metadata={"limit": "9"},
    )
    back = pickle.loads(pickle.dumps(error))
    assert str(back) == str(error)
    for name in ("code", "reason", "message", "violations", "retry_after_seconds", "request_id", "metadata"):
        assert getattr(back, name) == getattr(error, name)


@pytest.mark.parametrize(
    ("code", "sentence", "retryable"),
    [
        (grpc.StatusCode.UNAVAILABLE, "No DocuQuery server answers at host:1", True),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "No answer from host:1 in the time allowed", True),
        (grpc.StatusCode.CANCELLED, "The server at host:1 turned the call away", True),
        (grpc.StatusCode.UNIMPLEMENTED, "does not know this call", False),
        (grpc.StatusCode.INTERNAL, "core text", False),
    ],
)
def test_a_bare_grpc_failure_is_put_into_words(code: grpc.StatusCode, sentence: str, retryable: bool) -> None:
    error = from_rpc_error(failed(code, "core text"), address="host:1", request_id="mine")
    assert sentence in str(error)
    assert (error.reason, error.request_id) == (code.name, "mine")
    assert error.retryable is retryable
    assert not error.server_spoke


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER: OK", "The server at host:1 speaks no TLS"),
        ("CERTIFICATE_VERIFY_FAILED: self signed certificate", "host:1 is not believed; name the authority"),
        ("UNAUTHENTICATED: Hostname Verification Check failed.", "is for another name"),
        ("ipv4:127.0.0.1:1: Socket closed", "those that want TLS do so"),
        ("ipv4:127.0.0.1:1: Connection refused", "No DocuQuery server answers at host:1"),
    ],
)
def test_a_server_that_cannot_be_spoken_to_is_not_one_that_is_not_there(said: str, told: str) -> None:
    details = f"failed to connect to all addresses; last error: UNKNOWN: {said}"
    error = from_rpc_error(failed(grpc.StatusCode.UNAVAILABLE, details), address="host:1", request_id="r")
    assert told in str(error)
    assert error.retryable
    assert error.found_no_server is ("refused" in said)
    broken = from_rpc_error(failed(grpc.StatusCode.UNAVAILABLE, said), address="host:1", request_id="r")
    assert broken.found_no_server, "a call that broke in its middle says nothing about TLS"


@pytest.mark.parametrize("raw", [b"\xff\xff\xff", Status(code=5, message="other").SerializeToString()])
def test_details_that_are_damaged_or_contradict_the_status_are_ignored(raw: bytes) -> None:
    error = failed(grpc.StatusCode.NOT_FOUND, "not there", ("grpc-status-details-bin", raw))
    made = from_rpc_error(error, address="a", request_id="r")
    assert (made.reason, made.message) == ("NOT_FOUND", "not there")


def test_str_is_one_sentence_and_repeats_no_violation_the_message_holds() -> None:
    error = ApiError(
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        "The request is not valid: limit: must be 1 to 200.",
        violations=[FieldViolation("limit", "must be 1 to 200"), FieldViolation("query", "must be there.")],
        retry_after_seconds=1.25,
        request_id="r-1",
    )
    assert str(error) == (
        "The request is not valid: limit: must be 1 to 200: query: must be there "
        "(INVALID_REQUEST, try again in 1.25 s, request id r-1)."
    )


def test_metadata_cannot_be_changed() -> None:
    error = ApiError(grpc.StatusCode.INTERNAL, "INTERNAL", "x", metadata={"a": "b"})
    with pytest.raises(TypeError):
        error.metadata["a"] = "c"  # type: ignore[index] # the point of the test
