"""Uploads that survive broken streams."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from docuquery.common.v1.document_pb2 import UploadResult
from docuquery_client import ApiError, AsyncDocuQuery, RetryPolicy, UploadEvent, UploadFile, upload_resuming
from docuquery_client.resume import Pause
from tests.rpc.client_support import NO_SERVICE, FakeGateway, serving, status


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def address(gateway: FakeGateway) -> Iterator[str]:
    with serving(gateway) as where_it_is:
        yield where_it_is


@pytest.fixture
def files(tmp_path: Path) -> list[UploadFile]:
    paths = [tmp_path / f"{number}.txt" for number in range(6)]
    for path in paths:
        path.write_text(f"text of {path.name}")
    return [UploadFile.of(path) for path in paths]


class Run:
    """One upload with recorded waits instead of real ones."""

    def __init__(self, address: str, files: list[UploadFile], policy: RetryPolicy | None = None) -> None:
        self.address, self.files, self.policy = address, files, policy
        self.waits: list[float] = []
        self.pauses: list[Pause] = []
        self.finished: list[UploadEvent] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def go(self) -> None:
        async with AsyncDocuQuery(self.address) as client:
            stream = upload_resuming(
                client,
                self.files,
                policy=self.policy,
                on_pause=self.pauses.append,
                sleep=self.sleep,
                jitter=lambda: 0.0,
            )
            async for event in stream:
                if event.finished:
                    self.finished.append(event)


async def test_a_broken_stream_is_resumed_with_what_is_left(
    gateway: FakeGateway, address: str, files: list[UploadFile]
) -> None:
    gateway.break_after = [2, 3]
    run = Run(address, files)
    await run.go()
    assert [event.file.path.name for event in run.finished] == [file.path.name for file in files]
    assert all(event.document for event in run.finished)
    assert len(gateway.documents) == 6
    assert sum(method == "UploadDocuments" for method, _ in gateway.calls) == 3
    assert run.waits == [0.5, 0.5]
    assert [(pause.remaining, pause.error and pause.error.reason) for pause in run.pauses] == [
        (4, "SERVICE_UNAVAILABLE"),
        (1, "SERVICE_UNAVAILABLE"),
    ]


async def test_what_was_stored_but_not_acknowledged_comes_back_unchanged(
    gateway: FakeGateway, address: str, files: list[UploadFile]
) -> None:
    gateway.store(files[0].header(0), files[0].path.read_bytes())
    gateway.failures["UploadDocuments"] = [NO_SERVICE]
    run = Run(address, files)
    await run.go()
    assert run.finished[0].progress.done.result == UploadResult.UPLOAD_RESULT_UNCHANGED
    assert len(run.finished) == 6


async def test_a_stream_that_goes_on_failing_is_given_up(
    gateway: FakeGateway, address: str, files: list[UploadFile]
) -> None:
    gateway.failures["UploadDocuments"] = [NO_SERVICE] * 99
    run = Run(address, files, RetryPolicy(max_stalled_rounds=4, max_delay_seconds=1.5))
    with pytest.raises(ApiError) as caught:
        await run.go()
    assert caught.value.reason == "SERVICE_UNAVAILABLE"
    assert run.waits == [0.5, 1.0, 1.5]
    assert sum(method == "UploadDocuments" for method, _ in gateway.calls) == 4


async def test_the_wait_the_server_asks_for_is_kept(
    gateway: FakeGateway, address: str, files: list[UploadFile]
) -> None:
    busy = status(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", "No room.", retry_after_seconds=20)
    gateway.failures["UploadDocuments"] = [busy]
    run = Run(address, files)
    await run.go()
    assert run.waits == [20]
    assert len(run.finished) == 6


async def test_an_error_that_no_repetition_mends_is_raised_at_once(
    gateway: FakeGateway, address: str, files: list[UploadFile]
) -> None:
    refused = status(grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING", "Send a key.")
    gateway.failures["UploadDocuments"] = [refused]
    run = Run(address, files)
    with pytest.raises(ApiError, match="Send a key"):
        await run.go()
    assert run.waits == []


async def test_no_server_at_all_is_told_at_once(files: list[UploadFile]) -> None:
    run = Run("127.0.0.1:1", files)
    with pytest.raises(ApiError, match="No DocuQuery server"):
        await run.go()
    assert run.waits == []


async def test_a_document_that_fails_for_a_reason_of_its_own_is_sent_again_a_few_times(
    gateway: FakeGateway, address: str, files: list[UploadFile]
) -> None:
    gateway.retryable = {"1.txt": 2, "4.txt": 99}
    gateway.retryable_reason = "ATTEMPT_SUPERSEDED"
    run = Run(address, files, RetryPolicy(max_attempts_per_document=3))
    await run.go()
    ends = {event.file.path.name: event for event in run.finished}
    assert len(run.finished) == len(ends) == 6
    assert ends["1.txt"].document is not None
    assert ends["4.txt"].reason == "ATTEMPT_SUPERSEDED"
    assert run.pauses[0].error is None
    assert run.pauses[0].reasons == ("ATTEMPT_SUPERSEDED",)
    assert [pause.remaining for pause in run.pauses] == [2, 2]
    assert gateway.retryable["4.txt"] == 96


async def test_a_document_waits_for_the_system_to_get_well_again(
    gateway: FakeGateway, address: str, files: list[UploadFile]
) -> None:
    gateway.retryable = {"1.txt": 5}
    run = Run(address, files)
    await run.go()
    assert len(run.finished) == 6
    assert all(event.document for event in run.finished)
    assert run.waits == [0.5, 0.5, 1.0, 2.0, 4.0]


async def test_a_system_that_does_not_get_well_ends_in_the_documents_failures(
    gateway: FakeGateway, address: str, files: list[UploadFile]
) -> None:
    gateway.retryable = {"1.txt": 99, "2.txt": 99}
    run = Run(address, files, RetryPolicy(max_stalled_rounds=2))
    await run.go()
    assert [event.file.path.name for event in run.finished if event.failed] == ["1.txt", "2.txt"]
    assert len(run.finished) == 6
    assert run.waits == [0.5, 0.5]


async def test_an_unreadable_file_is_not_tried_again(
    gateway: FakeGateway, address: str, files: list[UploadFile], tmp_path: Path
) -> None:
    run = Run(address, [UploadFile.of(tmp_path / "gone.txt"), *files])
    await run.go()
    assert run.finished[0].reason == "UNREADABLE_FILE"
    assert len(run.finished) == 7
    assert run.waits == []


def test_the_backoff_doubles_up_to_its_limit_and_jitter_shortens_it() -> None:
    policy = RetryPolicy(first_delay_seconds=1, max_delay_seconds=5)
    assert [policy.delay_seconds(n, None, 0.0) for n in (0, 1, 2, 3, 4)] == [1, 1, 2, 4, 5]
    assert policy.delay_seconds(3, None, 1.0) == 2
    assert policy.delay_seconds(1, 9.0, 0.0) == 9
