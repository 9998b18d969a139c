"""An error survives the wire with everything a caller needs, and always fits into the trailers."""

from collections.abc import Iterator

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError, FieldViolation
from libs.rpc.status import MAX_STATUS_BYTES, from_rpc_error, to_status

text = st.text(max_size=2000)


def over_the_wire(error: DocuQueryError) -> DocuQueryError:
    status = to_status(error, "req-1")
    trailers = grpc.aio.Metadata(("grpc-status-details-bin", status.SerializeToString()))
    rpc_error = grpc.aio.AioRpcError(error.code, grpc.aio.Metadata(), trailers, details=status.message)
    return from_rpc_error(rpc_error, "retrieval")


def test_reason_message_metadata_violations_and_retry_survive() -> None:
    sent = DocuQueryError(
        reasons.ERROR_REASON_RATE_LIMITED,
        "Slow down.",
        metadata={"limit": "5"},
        violations=[FieldViolation("top_k", "must be 1 to 20")],
        retry_after_seconds=1.25,
    )
    got = over_the_wire(sent)
    assert (got.reason, got.message, got.metadata) == (sent.reason, sent.message, sent.metadata)
    assert (got.violations, got.retry_after_seconds) == (sent.violations, 1.25)


@given(
    st.sampled_from(reasons.ErrorReason.values()),
    text,
    st.dictionaries(st.text(max_size=20), text, max_size=4),
    st.lists(st.builds(FieldViolation, text, text), max_size=40),
)
def test_a_status_always_fits_and_is_read_back(
    reason: "reasons.ErrorReason.ValueType",
    message: str,
    metadata: dict[str, str],
    violations: list[FieldViolation],
) -> None:
    error = DocuQueryError(reason, message, metadata=metadata, violations=violations)
    assert to_status(error, "r" * 128).ByteSize() <= MAX_STATUS_BYTES
    assert over_the_wire(error).reason == reason


@pytest.mark.parametrize("seconds", [1e12, 1e300])
def test_a_wait_of_ages_is_as_long_as_a_duration_can_be(seconds: float) -> None:
    error = DocuQueryError(reasons.ERROR_REASON_PROVIDER_RATE_LIMITED, "x", retry_after_seconds=seconds)
    assert over_the_wire(error).retry_after_seconds == 315_576_000_000


def test_of_a_million_violations_no_more_are_looked_at_than_have_room() -> None:
    looked_at = 0

    class Counted(tuple[FieldViolation, ...]):
        __slots__ = ()

        def __iter__(self) -> Iterator[FieldViolation]:
            nonlocal looked_at
            for violation in super().__iter__():
                looked_at += 1
                yield violation

    error = DocuQueryError(reasons.ERROR_REASON_INVALID_REQUEST, "x")
    error.violations = Counted([FieldViolation("statuses[0]", "Must be one of these.")] * 1_000_000)
    got = over_the_wire(error)
    assert got.violations == error.violations[: len(got.violations)]
    assert looked_at == len(got.violations) + 1 < 200


def test_a_bare_grpc_failure_is_about_the_service_not_the_request() -> None:
    for code, reason in {
        grpc.StatusCode.UNAVAILABLE: reasons.ERROR_REASON_SERVICE_UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED: reasons.ERROR_REASON_MESSAGE_TOO_LARGE,
        grpc.StatusCode.UNKNOWN: reasons.ERROR_REASON_SERVICE_UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED: reasons.ERROR_REASON_DEADLINE_EXCEEDED,
    }.items():
        bare = grpc.aio.AioRpcError(
            code, grpc.aio.Metadata(), grpc.aio.Metadata(), details="10.0.0.1 refused"
        )
        got = from_rpc_error(bare, "answer")
        assert got.reason == reason
        assert "10.0.0.1" not in got.message
        assert got.metadata == {"service": "answer"}


def test_details_that_are_not_ours_or_not_parseable_count_as_bare() -> None:
    for raw in (b"\xff\xff\xff", b""):
        trailers = grpc.aio.Metadata(("grpc-status-details-bin", raw))
        error = grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, grpc.aio.Metadata(), trailers)
        assert from_rpc_error(error, "answer").reason == reasons.ERROR_REASON_INTERNAL
