"""`docuquery documents delete` of many documents: what is chosen, asked, told, and the exit code."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

import grpc
import pytest
from typer.testing import CliRunner, Result

from docuquery.common.v1.upload_pb2 import UploadHeader
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery_client import ApiError, AsyncDocuQuery
from docuquery_client.cli import app
from docuquery_client.cli.deletion import Deletions, collect, delete_all
from tests.rpc.client_support import FakeGateway, serving, status

Docuquery = Callable[..., Result]

PROGRAM = (sys.executable, "-m", "docuquery_client.cli")

BUSY = status(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", "Wait.", retry_after_seconds=3)
GONE = status(grpc.StatusCode.NOT_FOUND, "DOCUMENT_NOT_FOUND", "There is no such document.")
BROKEN = status(grpc.StatusCode.INTERNAL, "INTERNAL", "Something went wrong.")
NOT_ALLOWED = status(grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING", "This key may not delete.")


@pytest.fixture
def gateway() -> FakeGateway:
    """A gateway with 450 documents, more than two pages of a listing."""
    fake = FakeGateway()
    for number in range(450):
        fake.store(UploadHeader(filename=f"{number:03}.txt"), b"text")
    return fake


@pytest.fixture
def address(gateway: FakeGateway) -> Iterator[str]:
    with serving(gateway) as where:
        yield where


@pytest.fixture
def delete(address: str) -> Docuquery:
    return lambda *arguments: CliRunner().invoke(
        app, ["--address", address, "documents", "delete", *arguments]
    )


def test_all_are_deleted_over_all_pages_and_counted(gateway: FakeGateway, delete: Docuquery) -> None:
    result = delete("--all", "--yes")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "Deleted 450 documents (450 chunks).\n"
    assert gateway.documents == {}
    again = delete("--all", "--yes")
    assert (again.exit_code, again.stderr) == (0, "No document is meant: nothing to delete.\n")


def test_only_what_the_filters_of_a_listing_keep_is_deleted(gateway: FakeGateway, delete: Docuquery) -> None:
    chosen = ("--filter", "source=007.txt", "--status", "failed", "--type", "pdf", "--yes")
    assert delete(*chosen).exit_code == 0
    assert len(gateway.documents) == 449
    listed = next(request for request in gateway.requests if isinstance(request, pb.ListDocumentsRequest))
    assert (list(listed.statuses), list(listed.types)) == ([4], [1])


def test_a_dry_run_lists_what_would_be_deleted_and_deletes_nothing(
    gateway: FakeGateway, delete: Docuquery
) -> None:
    result = delete("--all", "--dry-run")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 450)
    assert result.stderr == "450 documents (450 chunks) would be deleted.\n"
    named = delete("007.txt", "--dry-run")
    assert named.stdout.endswith("  007.txt\n")
    assert len(gateway.documents) == 450


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "one of the three"),
        (("a.txt", "--all"), "one of the three"),
        (("--all", "--filter", "source=a.txt"), "one of the three"),
        (("--all",), "say --yes"),
    ],
)
def test_nothing_is_deleted_without_a_clear_word(
    gateway: FakeGateway, delete: Docuquery, arguments: Sequence[str], said: str
) -> None:
    result = delete(*arguments)
    assert (result.exit_code, said in result.stderr) == (2, True)
    assert gateway.calls == []


@pytest.mark.parametrize(("answer", "left", "code"), [("y\n", 0, 0), ("n\n", 450, 1)])
def test_at_a_terminal_it_asks_first(
    gateway: FakeGateway, address: str, answer: str, left: int, code: int
) -> None:
    terminal, its_end = pty.openpty()
    try:
        os.write(terminal, answer.encode())
        done = subprocess.run(
            [*PROGRAM, "--address", address, "documents", "delete", "--all"],
            stdin=its_end,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.close(terminal)
        os.close(its_end)
    assert "Delete 450 documents (450 chunks) for good?" in done.stderr
    assert (len(gateway.documents), done.returncode) == (left, code)


def test_it_goes_on_after_documents_that_are_gone_or_fail_and_waits_for_a_busy_server(
    gateway: FakeGateway, delete: Docuquery
) -> None:
    gateway.failures["DeleteDocument"] = [GONE, BROKEN]
    result = delete("--all", "--yes")
    assert result.exit_code == 1
    assert result.stdout == "Deleted 448 documents (448 chunks).\n"
    assert result.stderr.startswith("1 were gone already.\nerror: 1 were not deleted:\n  0")
    assert "Something went wrong (INTERNAL" in result.stderr


async def test_a_busy_server_is_waited_for_as_long_as_it_says(gateway: FakeGateway, address: str) -> None:
    gateway.failures["DeleteDocument"] = [BUSY, BUSY]
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    done = Deletions()
    async with AsyncDocuQuery(address) as client:
        await delete_all(client, await collect(client.documents()), done, sleep=sleep)
    assert (done.deleted, waited) == (450, [3.0, 3.0])


def test_a_long_wait_is_told_once(gateway: FakeGateway, delete: Docuquery) -> None:
    busy = status(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", "Wait.", retry_after_seconds=2)
    gateway.failures["DeleteDocument"] = [busy] * 4
    result = delete("--all", "--yes")
    assert (result.exit_code, result.stderr) == (0, "The server wants to be waited for: going on in 2 s.\n")


async def test_patience_ends(gateway: FakeGateway, address: str) -> None:
    gateway.failures["DeleteDocument"] = [BUSY] * 1000

    async def sleep(seconds: float) -> None:
        """Takes no time."""

    done = Deletions()
    async with AsyncDocuQuery(address) as client:
        with pytest.raises(ApiError, match="RATE_LIMITED"):
            await delete_all(client, await collect(client.documents()), done, sleep=sleep)
    assert (done.deleted, len(gateway.documents)) == (0, 450)


def test_a_key_that_may_not_delete_is_told_once(gateway: FakeGateway, delete: Docuquery) -> None:
    gateway.failures["DeleteDocument"] = [NOT_ALLOWED] * 450
    result = delete("--all", "--yes")
    assert result.exit_code == 1
    assert result.stdout == "Deleted 0 documents (0 chunks).\n"
    assert result.stderr.startswith("error: This key may not delete (SCOPE_MISSING")
    assert result.stderr.endswith("450 were not reached; the same command goes on where this stopped.\n")
    assert result.stderr.count("SCOPE_MISSING") == 1
