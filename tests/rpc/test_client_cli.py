"""The command line against a gateway over loopback gRPC: what is printed where, and the exit code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from io import StringIO
from pathlib import Path

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from rich.console import Console
from typer.testing import CliRunner, Result

from docuquery.common.v1.answer_pb2 import RejectedCitation
from docuquery.common.v1.error_reason_pb2 import ERROR_REASON_SERVICE_UNAVAILABLE
from docuquery.common.v1.passage_pb2 import SEARCH_MODE_HYBRID
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery_client import ApiError, AsyncDocuQuery
from docuquery_client.cli import app
from docuquery_client.cli.ask import show_while_written
from tests.rpc.client_support import PASSWORD, FakeGateway, no_evidence, serving, status

Docuquery = Callable[..., Result]


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def docuquery(gateway: FakeGateway) -> Iterator[Docuquery]:
    """Runs a command against the gateway."""
    with serving(gateway) as address:

        def run(*arguments: str, input: str = "") -> Result:
            return CliRunner().invoke(app, ["--address", address, *arguments], input=input)

        yield run


def write(folder: Path, **files: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content)
    return folder


# --- ask ---


def test_ask_prints_the_answer_with_marks_then_numbered_sources(docuquery: Docuquery) -> None:
    result = docuquery("ask", "What are the core hours?")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "Core hours are 10:00 to 15:00. [1] The allowance is €450. [2]",
        "",
        "Sources",
        "[1] handbook.pdf, page 3 · Work › Hours",
        "    “Core hours are 10:00 to 15:00” VERBATIM",
        "[2] allowance.md · Allowance",
        "    “allowance is €450” SUPPORTED",
        "",
        "ANSWERED · confidence 0.87 · extractive · 34 ms",
    ]
    assert result.stderr == ""


def test_ask_sends_its_options(gateway: FakeGateway, docuquery: Docuquery) -> None:
    options = (
        "--top-k", "7", "--conversation", "c-1", "--mode", "sparse", "--provider", "openai", "--prompt", "v1",
        "--filter", "type=pdf", "--filter", "year=2024", "-f", "year=2025",
        "--no-rerank", "--max-per-document", "2", "--expand", "1", "--no-cache",
    )  # fmt: skip
    assert docuquery("ask", "Why?", *options).exit_code == 0
    request = gateway.requests[-1]
    assert isinstance(request, pb.StreamQueryRequest)
    query = request.query
    assert (query.question, query.top_k, query.conversation_id) == ("Why?", 7, "c-1")
    assert (query.mode, query.provider, query.prompt_version) == (3, "openai", "v1")
    assert query.HasField("rerank")
    assert (query.rerank, query.max_per_document, query.expand_chunks) == (False, 2, 1)
    assert query.no_cache
    fields = [(c.field, c.WhichOneof("test")) for c in query.filter.conditions]
    assert fields == [("type", "equals"), ("metadata.year", "any_of")]


def test_ask_prints_only_json_when_told_to(gateway: FakeGateway, docuquery: Docuquery) -> None:
    result = docuquery("ask", "When?", "--json")
    assert result.exit_code == 0
    reply = json.loads(result.stdout)
    assert reply["answer"] == gateway.result.answer
    assert reply["outcome"] == "OUTCOME_ANSWERED"
    assert reply["citations"][0]["answer_span"] == {
        "char_start": 0, "char_end": 30, "byte_start": 0, "byte_end": 0,
    }  # fmt: skip
    assert reply["rejected_citations"] == []


def test_a_question_without_evidence_is_told_honestly_and_is_no_error(
    gateway: FakeGateway, docuquery: Docuquery
) -> None:
    gateway.result = no_evidence("Who won?")
    result = docuquery("ask", "Who won?")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "The documents hold nothing about this."
    assert "SPARSE_ONLY: No embedder." in result.stdout
    assert "NO_EVIDENCE" in result.stdout
    assert "Sources" not in result.stdout


def test_markers_of_unknown_sources_are_mentioned(gateway: FakeGateway, docuquery: Docuquery) -> None:
    gateway.result.rejected_citations.append(RejectedCitation(marker="[99]"))
    assert "The model named sources it was not given: [99]" in docuquery("ask", "x").stdout


def test_nothing_in_a_document_reaches_the_terminal_as_a_command(
    gateway: FakeGateway, docuquery: Docuquery
) -> None:
    gateway.result.answer = "safe \x1b[2J\x1b]0;title\x07 [bold]text[/bold] :smile:"
    gateway.result.citations[0].filename = "\x1b[31mred.pdf"
    gateway.result.citations[0].answer_span.char_end = 4
    del gateway.result.citations[1:]
    result = docuquery("ask", "x")
    assert "\x1b" not in result.stdout
    assert "\x07" not in result.stdout
    assert "[bold]text[/bold] :smile:" in result.stdout
    assert "�[31mred.pdf" in result.stdout


def test_an_answer_that_breaks_off_is_an_error_and_prints_no_half_answer_into_a_pipe(
    gateway: FakeGateway, docuquery: Docuquery
) -> None:
    gateway.stream_until = 2
    gateway.stream_failure = status(
        grpc.StatusCode.UNAVAILABLE, "PROVIDER_CONNECTION", "The provider went away.", request_id="r-5"
    )
    result = docuquery("ask", "x")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "error: The provider went away (PROVIDER_CONNECTION, request id r-5).\n"


# --- errors and options of all commands ---


def test_an_error_is_one_line_with_reason_and_request_id(docuquery: Docuquery) -> None:
    result = docuquery("documents", "show", "6f0f7f1e-0c2d-4a67-9d62-0d8a4f6f3a11")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "error: There is no such document (DOCUMENT_NOT_FOUND, request id server-id).\n"


@pytest.mark.parametrize(
    "command",
    [["ask", "x"], ["search", "x"], ["status"], ["prompts"], ["documents", "list"], ["ingest", __file__]],
)
def test_without_a_server_every_command_names_the_remedy(command: list[str]) -> None:
    result = CliRunner().invoke(app, ["--address", "127.0.0.1:1", *command])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == (
        "error: No DocuQuery server answers at 127.0.0.1:1 (UNAVAILABLE). Start one on this machine with "
        "`docuquery up`, or name another with --address.\n"
    )


def test_the_version_is_shown() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"docuquery {version('docuquery')}\n")


def test_a_web_address_is_told_before_any_call() -> None:
    result = CliRunner().invoke(app, ["--address", "http://localhost:50051", "status"])
    assert result.exit_code == 2
    assert result.stderr == "error: --address: the address must be HOST:PORT, without http://.\n"


def test_a_question_that_is_no_text_is_refused(gateway: FakeGateway) -> None:
    with serving(gateway) as address:
        done = subprocess.run(
            [sys.executable, "-m", "docuquery_command", "--address", address, "ask", b"caf\xe9?"],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "error: 'caf\ufffd?' is not UTF-8 text.\n"


def test_grpcs_own_log_stays_silent(gateway: FakeGateway) -> None:
    with serving(gateway) as address:
        done = subprocess.run(
            [sys.executable, "-m", "docuquery_command", "--address", address, "--tls", "status"],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: The server at {address} speaks no TLS")
    assert len(done.stderr.splitlines()) == 1


def test_address_key_and_timeout_come_from_options_or_the_environment(gateway: FakeGateway) -> None:
    with serving(gateway) as address:
        result = CliRunner().invoke(
            app, ["--timeout", "9", "prompts"], env={"DOCUQUERY_ADDRESS": address, "DOCUQUERY_API_KEY": "k-1"}
        )
    assert result.exit_code == 0
    sent = gateway.metadata_of("ListPrompts")
    assert sent["authorization"] == "Bearer k-1"
    assert 5 < float(sent["timeout"]) < 10


def test_a_missing_key_is_told_with_the_remedy(gateway: FakeGateway, docuquery: Docuquery) -> None:
    gateway.failures["ListPrompts"] = [
        status(grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING", "No credentials.", request_id="r")
    ]
    result = docuquery("prompts")
    assert result.exit_code == 1
    assert result.stderr.endswith("Give --api-key, or set DOCUQUERY_API_KEY.\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["ask", "x", "--top-k", "21"],
        ["ask", "x", "--top-k", "0"],
        ["ask", "x", "--filter", "year"],
        ["search", "x", "--limit", "201"],
        ["search", "x", "--mode", "fast"],
        ["search", "x", "--expand", "4"],
        ["search", "x", "--max-per-document", "-1"],
        ["ingest", "no/such/file"],
        ["ingest", __file__, "--metadata", "=x"],
        ["--timeout", "0", "status"],
        ["--api-key", "schlüssel", "status"],
        ["unheard-of"],
    ],
)
def test_wrong_usage_exits_with_2_and_asks_no_server(
    gateway: FakeGateway, docuquery: Docuquery, arguments: list[str]
) -> None:
    result = docuquery(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert gateway.calls == []


# --- search, documents, status, prompts, conversation ---


def test_search_lists_passages_best_first(gateway: FakeGateway, docuquery: Docuquery) -> None:
    gateway.result.sources[0].text += "\nand so on" * 100
    result = docuquery("search", "hours", "--limit", "5")
    rows = [line.split() for line in result.stdout.splitlines() if line.strip() and "─" not in line]
    assert rows[0] == ["score", "page", "file", "text"]
    assert rows[1][:4] == ["0.810", "3-4", "handbook.pdf", "Core"]
    assert rows[2][:3] == ["0.520", "hr/allowance.md", "The"]
    assert [p["score"] for p in json.loads(docuquery("search", "x", "--json").stdout)["passages"]] == [
        0.81,
        0.52,
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (
            ["--rerank", "--max-per-document", "2", "--expand", "3"],
            {"rerank": True, "max_per_document": 2, "expand_chunks": 3},
        ),
        (["--no-rerank"], {"rerank": False}),
    ],
)
def test_search_options_reach_the_server(
    gateway: FakeGateway, docuquery: Docuquery, arguments: list[str], expected: dict[str, object]
) -> None:
    assert docuquery("search", "hours", *arguments).exit_code == 0
    (request,) = gateway.requests
    assert request == pb.SearchRequest(query="hours", limit=10, mode=SEARCH_MODE_HYBRID, **expected)


def test_a_search_without_results_says_so(gateway: FakeGateway, docuquery: Docuquery) -> None:
    gateway.result = no_evidence("x")
    result = docuquery("search", "x")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No passage found.\n")


def test_documents_are_listed_shown_and_deleted_by_source_or_id(
    gateway: FakeGateway, docuquery: Docuquery, tmp_path: Path
) -> None:
    folder = write(tmp_path / "hr", a__txt=b"one", b__md=b"two", c__txt=b"three")
    assert docuquery("ingest", str(folder), "-m", "year=2024").exit_code == 0
    listed = docuquery("documents", "list", "--limit", "2")
    assert "hr/a.txt" in listed.stdout
    assert "hr/c.txt" not in listed.stdout
    assert listed.stderr == "There are more than these 2; --limit 0 lists all.\n"
    everything = json.loads(docuquery("documents", "list", "--limit", "0", "--json").stdout)
    assert [d["source"] for d in everything["documents"]] == ["hr/a.txt", "hr/b.md", "hr/c.txt"]
    shown = docuquery("documents", "show", "hr/a.txt")
    assert '{"year": 2024}' in shown.stdout
    assert "indexed" in shown.stdout
    identity = everything["documents"][1]["document_id"]
    assert json.loads(docuquery("documents", "show", identity, "--json").stdout)["source"] == "hr/b.md"

    deleted = docuquery("documents", "delete", "hr/a.txt", "hr/none.txt", identity)
    assert deleted.exit_code == 1
    assert deleted.stdout.splitlines() == ["Deleted hr/a.txt (1 chunks).", f"Deleted {identity} (1 chunks)."]
    assert deleted.stderr.startswith("error: No document has the source 'hr/none.txt'")
    assert list(gateway.documents) == ["hr/c.txt"]
    assert docuquery("documents", "show", "hr/none.txt").exit_code == 1


def test_status_shows_components_and_stored_documents(gateway: FakeGateway, docuquery: Docuquery) -> None:
    result = docuquery("status")
    assert result.exit_code == 0
    assert "retrieval" in result.stdout
    assert "provider extractive" in result.stdout
    assert "0 documents" in result.stdout
    assert "breaker" not in result.stdout  # all are closed
    assert "reindex" not in result.stdout
    assert json.loads(docuquery("status", "--json").stdout)["version"] == "0.1.0"
    gateway.system.reindex.chunk_count = 1000
    assert "0 of 1,000 chunks" in docuquery("status").stdout


def test_status_exits_with_1_when_something_is_wrong(gateway: FakeGateway, docuquery: Docuquery) -> None:
    gateway.system.state = pb.COMPONENT_STATE_UNREACHABLE
    gateway.system.components[2].state = pb.COMPONENT_STATE_UNREACHABLE
    gateway.system.components[2].detail = "It does not answer."
    gateway.system.breakers[0].state = pb.BREAKER_STATE_OPEN
    gateway.system.breakers[0].last_reason = ERROR_REASON_SERVICE_UNAVAILABLE
    gateway.system.breakers[0].calls = 10
    gateway.system.breakers[0].failures = 9
    gateway.failures["GetStats"] = [
        status(grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE", "The retrieval service cannot be reached.")
    ]
    result = docuquery("status")
    assert result.exit_code == 1
    assert "UNREACHABLE" in result.stdout
    assert "It does not answer." in result.stdout
    # A narrow terminal breaks the line somewhere.
    assert "9of10callsfailed,lastSERVICE_UNAVAILABLE" in "".join(result.stdout.split())
    assert "The retrieval service cannot be reached" in result.stderr
    assert docuquery("status", "--json").exit_code == 1


def test_a_store_without_documents_says_so(docuquery: Docuquery) -> None:
    result = docuquery("documents", "list")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No documents.\n")


def test_deleting_goes_on_after_a_refusal_but_not_without_a_server(
    gateway: FakeGateway, docuquery: Docuquery, tmp_path: Path
) -> None:
    folder = write(tmp_path / "hr", a__txt=b"one", b__txt=b"two")
    docuquery("ingest", str(folder))
    gateway.failures["DeleteDocument"] = [
        status(grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING", "Not allowed.", request_id="r-1")
    ]
    result = docuquery("documents", "delete", "hr/a.txt", "hr/b.txt")
    assert result.exit_code == 1
    assert result.stderr == "error: Not allowed (SCOPE_MISSING, request id r-1).\n"
    assert result.stdout == "Deleted hr/b.txt (1 chunks).\n"
    nobody = CliRunner().invoke(app, ["--address", "127.0.0.1:1", "documents", "delete", "x", "y"])
    assert nobody.exit_code == 1
    assert nobody.stderr.count("error:") == 1


def test_a_degraded_search_says_what_was_left_out(gateway: FakeGateway, docuquery: Docuquery) -> None:
    gateway.degradations = no_evidence("x").degradations
    assert docuquery("search", "x").stderr == "SPARSE_ONLY: No embedder.\n"


def test_ctrl_c_ends_a_command_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(self: AsyncDocuQuery) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(AsyncDocuQuery, "list_prompts", interrupted)
    result = CliRunner().invoke(app, ["prompts"])
    assert (result.exit_code, result.stderr) == (130, "Interrupted.\n")


@pytest.mark.parametrize("report", ["no/such/folder/report.jsonl", "."])
def test_a_report_that_cannot_be_written_is_told_before_anything_is_sent(
    gateway: FakeGateway, docuquery: Docuquery, report: str
) -> None:
    result = docuquery("ingest", __file__, "--report", report)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: --report:")
    assert gateway.calls == []


def test_values_of_a_newer_server_are_shown_as_numbers(gateway: FakeGateway, docuquery: Docuquery) -> None:
    gateway.system.components[0].state = 77  # type: ignore[assignment] # of a newer contract
    result = docuquery("status")
    assert "77" in result.stdout


def test_prompts_and_conversations(docuquery: Docuquery) -> None:
    listed = docuquery("prompts").stdout
    assert "v1" in listed
    assert "Numbers." in listed
    assert json.loads(docuquery("prompts", "--json").stdout)["prompts"][1]["is_default"] is True
    shown = docuquery("conversation", "show", "c-1")
    assert shown.stdout.splitlines()[:3] == ["? Where?", "Here.", "ANSWERED"]
    assert json.loads(docuquery("conversation", "show", "c-1", "--json").stdout)["conversation_id"] == "c-1"
    assert docuquery("conversation", "delete", "c-1").stdout == "Deleted c-1 (2 turns).\n"


# --- ingest ---


def test_ingest_takes_folders_and_names_sources_after_them(
    gateway: FakeGateway, docuquery: Docuquery, tmp_path: Path
) -> None:
    write(tmp_path / "docs", a__txt=b"one", b__bin=b"left out")
    write(tmp_path / "docs" / "deep", c__md=b"two")
    write(tmp_path / "docs" / ".hidden", d__md=b"left out")
    result = docuquery(
        "ingest", str(tmp_path / "docs"), "--source-prefix", "kb/", "-m", "team=hr", "-m", "a.b=1"
    )
    assert result.exit_code == 0
    assert result.stdout.startswith("2 documents: 2 created. 0.0 MB in ")
    folder = tmp_path / "docs"
    assert result.stderr.splitlines() == [
        "Left out of folders; a file you name is always sent:",
        f"  1 hidden: {folder}/.hidden",
        f"  1 of a kind that is not read: {folder}/b.bin",
    ]
    assert sorted(gateway.documents) == ["kb/docs/a.txt", "kb/docs/deep/c.md"]
    kept = MessageToDict(gateway.documents["kb/docs/a.txt"].metadata)
    assert kept == {"team": "hr", "a": {"b": 1}}
    again = docuquery("ingest", str(tmp_path / "docs"), "--source-prefix", "kb/")
    assert again.stdout.startswith("2 documents: 2 unchanged.")
    other = docuquery(
        "ingest", str(tmp_path / "docs"), "--source-prefix", "kb/", "-m", "team=it", "--report",
        str(tmp_path / "report.jsonl"),
    )  # fmt: skip
    assert other.stdout.startswith("2 documents: 2 metadata updated.")
    assert MessageToDict(gateway.documents["kb/docs/a.txt"].metadata) == {"team": "it"}
    reported = (tmp_path / "report.jsonl").read_text().splitlines()
    assert [json.loads(line)["result"] for line in reported] == ["metadata_updated"] * 2


def test_ingest_lists_failures_at_the_end_and_exits_with_1(docuquery: Docuquery, tmp_path: Path) -> None:
    folder = write(tmp_path / "docs", a__txt=b"one", empty__txt=b"", locked__pdf=b"%PDF /Encrypt")
    result = docuquery("ingest", str(folder))
    assert result.exit_code == 1
    assert result.stdout.startswith("3 documents: 1 created, 2 failed.")
    assert result.stderr.splitlines() == [
        "error: 2 failed:",
        f"  {folder}/empty.txt: EMPTY_DOCUMENT: The document has no bytes.",
        f"  {folder}/locked.pdf: DOCUMENT_ENCRYPTED: The document is encrypted. Give its password.",
        "The password of encrypted PDF files is given by --password or --password-file.",
    ]


def test_encrypted_files_are_opened_with_a_password_that_no_process_list_shows(
    docuquery: Docuquery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes from the environment, from a file, or is typed in; the command line never holds it."""
    locked = str(write(tmp_path / "docs", locked__pdf=b"%PDF /Encrypt") / "locked.pdf")
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\nnot this\n", encoding="utf-8")
    monkeypatch.setenv("DOCUQUERY_PASSWORD", "wrong")
    assert docuquery("ingest", locked).exit_code == 1
    result = docuquery("ingest", locked, "--password-file", str(secret))
    assert (result.exit_code, result.stdout[:21]) == (0, "1 document: 1 created")
    monkeypatch.setenv("DOCUQUERY_PASSWORD", PASSWORD)
    assert docuquery("ingest", locked).exit_code == 0
    monkeypatch.delenv("DOCUQUERY_PASSWORD")
    typed = docuquery("ingest", locked, "--password", input=f"{PASSWORD}\n")
    assert typed.exit_code == 0
    assert PASSWORD not in typed.output
    assert "Password of the encrypted files" in typed.stderr


def test_a_password_that_cannot_be_had_is_a_usage_error(docuquery: Docuquery, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    for options, said in (
        (["--password-file", str(tmp_path / "none")], "No such file"),
        (["--password-file", str(empty)], "first line is empty"),
        (["--password", "--password-file", str(empty)], "exclude each other"),
    ):
        result = docuquery("ingest", __file__, *options)
        assert result.exit_code == 2
        assert said in result.stderr


def test_without_a_terminal_no_password_is_asked_for() -> None:
    """In a session of its own the program has none, whatever the test runs at."""
    done = subprocess.run(
        [sys.executable, "-m", "docuquery_client.cli", "ingest", __file__, "--password"],
        input=f"{PASSWORD}\n",
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[1:] == [
        "error: --password: there is no terminal to ask at. Give --password-file, or DOCUQUERY_PASSWORD."
    ]


def test_ingest_writes_a_line_for_each_file_into_its_report(docuquery: Docuquery, tmp_path: Path) -> None:
    folder = write(tmp_path / "docs", a__txt=b"one", empty__txt=b"")
    report = tmp_path / "report.jsonl"
    docuquery("ingest", str(folder), "--report", str(report))
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert [(line["source"], line["result"], line["reason"]) for line in lines] == [
        ("docs/a.txt", "created", ""),
        ("docs/empty.txt", "failed", "EMPTY_DOCUMENT"),
    ]
    assert lines[0]["size_bytes"] == 3
    assert lines[0]["document_id"]
    assert lines[1] == {
        "path": str(folder / "empty.txt"), "source": "docs/empty.txt", "document_id": "", "result": "failed",
        "reason": "EMPTY_DOCUMENT", "message": "The document has no bytes.", "retryable": False,
        "metadata": {}, "misnamed": "",
        "size_bytes": 0, "page_count": 0, "chunk_count": 0,
    }  # fmt: skip


def test_ingest_resumes_a_broken_stream(gateway: FakeGateway, docuquery: Docuquery, tmp_path: Path) -> None:
    folder = write(tmp_path / "docs", **{f"{n}__txt": b"text %d" % n for n in range(8)})
    gateway.break_after = [3]
    result = docuquery("ingest", str(folder))
    assert result.exit_code == 0
    assert result.stdout.startswith("8 documents: 8 created.")
    assert "SERVICE_UNAVAILABLE: 5 to send again in" in result.stderr
    assert len(gateway.documents) == 8


def test_an_ingest_that_is_refused_midway_says_what_is_left(
    gateway: FakeGateway, docuquery: Docuquery, tmp_path: Path
) -> None:
    folder = write(tmp_path / "docs", **{f"{n}__txt": b"text %d" % n for n in range(4)})
    gateway.break_after = [3]
    gateway.break_with = status(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED", "The quota is used up.")
    result = docuquery("ingest", str(folder))
    assert result.exit_code == 1
    assert result.stdout.startswith("3 documents: 3 created.")
    assert "1 files were not finished" in result.stderr
    assert "The quota is used up (QUOTA_EXCEEDED" in result.stderr


def test_ingest_refuses_two_files_of_one_name(
    gateway: FakeGateway, docuquery: Docuquery, tmp_path: Path
) -> None:
    first = write(tmp_path / "x", a__txt=b"one") / "a.txt"
    second = write(tmp_path / "y", a__txt=b"two") / "a.txt"
    result = docuquery("ingest", str(first), str(second))
    assert result.exit_code == 2
    assert "would both be stored as" in result.stderr
    assert gateway.documents == {}


def test_a_folder_without_documents_is_an_error(docuquery: Docuquery, tmp_path: Path) -> None:
    folder = write(tmp_path / "x", **{f"{number}__bin": b"1" for number in range(7)})
    result = docuquery("ingest", str(folder))
    assert result.exit_code == 1
    assert "Nothing to ingest" in result.stderr
    assert f"  7 of a kind that is not read: {folder}/0.bin, " in result.stderr
    assert result.stderr.endswith(f"{folder}/4.bin, and 2 more\n")


def test_ingest_sends_type_and_policy(gateway: FakeGateway, docuquery: Docuquery, tmp_path: Path) -> None:
    path = write(tmp_path / "x", a__log=b"one") / "a.log"
    assert docuquery("ingest", str(path), "--type", "text", "--language", "de").exit_code == 0
    assert (gateway.documents["a.log"].type, gateway.documents["a.log"].language) == (4, "de")
    path.write_bytes(b"other")
    result = docuquery("ingest", str(path), "--if-exists", "skip")
    assert result.stdout.startswith("1 document: 1 skipped.")
    assert gateway.contents["a.log"] == b"one"


# --- the terminal view of a streamed answer ---


def terminal(height: int = 24) -> tuple[Console, StringIO]:
    screen = StringIO()
    return Console(file=screen, force_terminal=True, width=80, height=height, color_system=None), screen


async def test_a_terminal_shows_the_text_so_far_with_its_marks(gateway: FakeGateway) -> None:
    console, screen = terminal()
    with serving(gateway) as address:
        async with AsyncDocuQuery(address) as client:
            result = await show_while_written(client, pb.QueryRequest(question="x"), console)
    assert result == gateway.result
    frames = [re.sub(r"\x1b\[[?0-9]*[a-zA-Z]", "", frame).strip() for frame in screen.getvalue().split("\r")]
    assert [frame for frame in frames if frame][:4] == [
        "Core hours are 10:00 to 15:00.",
        "Core hours are 10:00 to 15:00. [1]",
        "Core hours are 10:00 to 15:00. [1] The allowance is €450.",
        "Core hours are 10:00 to 15:00. [1] The allowance is €450. [2]",
    ]


async def test_a_terminal_keeps_the_text_of_an_answer_that_broke_off(gateway: FakeGateway) -> None:
    gateway.stream_until = 3
    console, screen = terminal()
    with serving(gateway) as address:
        async with AsyncDocuQuery(address) as client:
            with pytest.raises(ApiError):
                await show_while_written(client, pb.QueryRequest(question="x"), console)
    assert screen.getvalue().endswith("Core hours are 10:00 to 15:00. …\n")


async def test_an_answer_longer_than_the_terminal_shows_its_end_while_written(gateway: FakeGateway) -> None:
    gateway.result.answer = "\n".join(f"line {number}" for number in range(50))
    gateway.result.citations[1].answer_span.char_end = len(gateway.result.answer)
    console, screen = terminal(height=10)
    with serving(gateway) as address:
        async with AsyncDocuQuery(address) as client:
            await show_while_written(client, pb.QueryRequest(question="x"), console)
    assert "line 49" in screen.getvalue()
    assert "line 20" not in screen.getvalue()
