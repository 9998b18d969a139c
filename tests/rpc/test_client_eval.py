"""`docuquery eval` against a gateway over loopback gRPC: what is sent, printed, written; exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from typer.testing import CliRunner, Result

from docuquery.common.v1.answer_pb2 import Degradation, DegradationKind
from docuquery.common.v1.passage_pb2 import Passage
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery_client.cli import app
from tests.rpc.client_support import FakeGateway, serving, status

Evaluate = Callable[..., Result]

CORPUS = (
    {"_id": "heron", "title": "Herons", "text": "They stand in shallow water."},
    {"_id": "swift", "title": "", "text": "It sleeps in the air."},
    {"_id": "nothing", "title": "", "text": ""},
)
QUERIES = ({"_id": "q1", "text": "Which bird stands?"}, {"_id": "q2", "text": "Which bird sleeps flying?"})


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """A collection of three documents, one of them blank, and two queries."""
    folder = tmp_path / "birds"
    folder.mkdir()
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in CORPUS))
    (folder / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in QUERIES))
    (folder / "qrels.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq1\theron\t2\nq1\tswift\t1\nq2\tswift\t1\n"
    )
    return folder


@pytest.fixture
def gateway() -> FakeGateway:
    """Finds the heron twice, a document of somebody else, and the swift, whatever is asked."""
    gateway = FakeGateway()
    del gateway.result.sources[:]
    sources = ("birds/heron", "birds/heron", "somebody/else", "birds/swift")
    gateway.result.sources.extend(Passage(source=source) for source in sources)
    return gateway


@pytest.fixture
def evaluate(gateway: FakeGateway, birds: Path) -> Iterator[Evaluate]:
    """Runs the command on the collection, against the gateway."""
    with serving(gateway) as address:

        def run(*arguments: str) -> Result:
            return CliRunner().invoke(app, ["eval", str(birds), "--address", address, *arguments])

        yield run


def searches(gateway: FakeGateway) -> list[pb.SearchRequest]:
    return [request for request in gateway.requests if isinstance(request, pb.SearchRequest)]


def test_the_figures_are_printed_as_a_table_and_written_as_json(evaluate: Evaluate, tmp_path: Path) -> None:
    result = evaluate("--json", str(tmp_path / "out.json"))
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    # q2 finds its one document at rank 2: nDCG 1/log2(3) = .6309, reciprocal rank .5; q1 is perfect.
    assert rows == [
        ["dataset", "mode", "queries", "ndcg@10", "mrr@10", "map@100", "recall@10", "recall@100"],
        ["birds", "hybrid", "2", "0.8155", "0.7500", "0.7500", "1.0000", "1.0000"],
    ]
    assert "2 documents uploaded" in result.stderr
    assert "1 without text were left out" in result.stderr
    written = json.loads((tmp_path / "out.json").read_text())
    assert list(written) == [
        "dataset", "mode", "settings", "metrics", "intervals", "questions_sha256", "questions",
    ]  # fmt: skip
    assert (written["dataset"], written["mode"]) == ("birds", "hybrid")
    assert written["metrics"] == {
        "ndcg@10": 0.81546, "mrr@10": 0.75, "map@100": 0.75, "recall@10": 1.0, "recall@100": 1.0,
    }  # fmt: skip
    assert written["settings"]["embedder"] == "local/test"
    assert (written["settings"]["documents"], written["settings"]["queries"]) == (2, 2)
    assert written["settings"]["rerank"] is None


def test_documents_go_up_under_stable_names_and_all_passages_are_asked_for(
    evaluate: Evaluate, gateway: FakeGateway
) -> None:
    assert evaluate().exit_code == 0
    assert evaluate().exit_code == 0
    assert gateway.contents == {
        "birds/heron": b'---\ntitle: "Herons"\n---\nThey stand in shallow water.',
        "birds/swift": b"It sleeps in the air.",
    }
    assert {(request.limit, request.mode, request.score_threshold) for request in searches(gateway)} == {
        (200, 1, 0.0)
    }


def test_several_modes_are_several_rows_and_a_list(
    evaluate: Evaluate, gateway: FakeGateway, tmp_path: Path
) -> None:
    result = evaluate("--mode", "all", "--limit-queries", "1", "--json", str(tmp_path / "out.json"))
    assert result.exit_code == 0
    assert [line.split()[1] for line in result.stdout.splitlines()[1:]] == ["hybrid", "dense", "sparse"]
    assert [request.mode for request in searches(gateway)] == [1, 2, 3]
    assert [r["mode"] for r in json.loads((tmp_path / "out.json").read_text())] == [
        "hybrid", "dense", "sparse",
    ]  # fmt: skip
    two = evaluate("--mode", "sparse", "--mode", "dense", "--mode", "sparse")
    assert [line.split()[1] for line in two.stdout.splitlines()[1:]] == ["sparse", "dense"]


def test_reranking_is_asked_for_or_not_and_named_beside_the_figures(
    evaluate: Evaluate, gateway: FakeGateway, tmp_path: Path
) -> None:
    for option, expected, shown in (
        ("--rerank", True, "hybrid+rerank"),
        ("--no-rerank", False, "hybrid"),
    ):
        gateway.requests.clear()
        result = evaluate(option, "--json", str(tmp_path / "out.json"))
        assert result.exit_code == 0
        assert {request.rerank for request in searches(gateway)} == {expected}
        assert all(request.HasField("rerank") for request in searches(gateway))
        assert result.stdout.splitlines()[1].split()[1] == shown
        written = json.loads((tmp_path / "out.json").read_text())
        assert (written["mode"], written["settings"]["rerank"]) == ("hybrid", expected)
    gateway.requests.clear()
    assert evaluate().exit_code == 0
    assert not any(request.HasField("rerank") for request in searches(gateway))


def test_pages_of_evidence_are_looked_for_among_the_first_passages(
    gateway: FakeGateway, tmp_path: Path
) -> None:
    folder = tmp_path / "reports"
    (folder / "pdfs").mkdir(parents=True)
    (folder / "pdfs" / "harbour.pdf").write_bytes(b"%PDF-1.7 harbour")
    questions = [
        {"question": "What was earned?", "doc_name": "harbour", "evidence": [{"evidence_page_num": 3}]},
        {"question": "What was spent?", "doc_name": "harbour", "evidence": [{"evidence_page_num": 8}]},
        {"question": "What else?", "doc_name": "absent", "evidence": [{"evidence_page_num": 1}]},
    ]
    (folder / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in questions))
    del gateway.result.sources[:]
    for source, first, last in (("other.pdf", 4, 4), ("harbour.pdf", 1, 1), ("harbour.pdf", 3, 4)):
        passage = gateway.result.sources.add(source=f"reports/{source}")
        passage.pages.first, passage.pages.last = first, last
    with serving(gateway) as address:
        out = tmp_path / "out.json"
        result = CliRunner().invoke(app, ["eval", str(folder), "--address", address, "--json", str(out)])
    assert result.exit_code == 0
    assert gateway.contents == {"reports/harbour.pdf": b"%PDF-1.7 harbour"}
    assert {request.query for request in searches(gateway)} == {"What was earned?", "What was spent?"}
    written = json.loads(out.read_text())
    assert written["metrics"] == {"page_hit@1": 0.0, "page_hit@5": 0.5, "document@5": 1.0}
    assert written["settings"]["queries"] == 2
    assert result.stdout.split()[:6] == ["dataset", "mode", "queries", *written["metrics"]]


def test_a_refused_query_counts_as_not_answered_and_the_exit_code_says_so(
    evaluate: Evaluate, gateway: FakeGateway, tmp_path: Path
) -> None:
    too_long = status(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "The query is too long.")
    gateway.failures["Search"] = [too_long]
    result = evaluate("--concurrency", "1", "--json", str(tmp_path / "out.json"))
    assert result.exit_code == 1
    assert "the server refused 1 queries" in result.stderr
    assert "q1: The query is too long (INVALID_REQUEST" in result.stderr
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["metrics"]["mrr@10"] == 0.25
    assert written["settings"]["refused_queries"] == 1


def test_a_refused_document_is_named_and_the_rest_is_measured(
    evaluate: Evaluate, gateway: FakeGateway
) -> None:
    gateway.retryable["birds/swift"] = 99
    gateway.retryable_reason = "PARSER_CRASHED"
    result = evaluate()
    assert result.exit_code == 1
    assert "birds/swift: PARSER_CRASHED: Try again later." in result.stderr
    assert "1 documents uploaded" in result.stderr
    assert result.stdout.splitlines()[1].split()[:3] == ["birds", "hybrid", "2"]


def test_a_busy_moment_ends_nothing(evaluate: Evaluate, gateway: FakeGateway) -> None:
    busy = status(grpc.StatusCode.UNAVAILABLE, "OVERLOADED", "Too busy.", retry_after_seconds=0.01)
    gateway.failures["Search"] = [busy, busy, busy]
    assert evaluate("--concurrency", "1").exit_code == 0
    gateway.failures["Search"] = [busy] * 4
    result = evaluate("--concurrency", "1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Too busy (OVERLOADED" in result.stderr


def test_searches_that_were_degraded_are_no_measurement(evaluate: Evaluate, gateway: FakeGateway) -> None:
    gateway.degradations = [Degradation(kind=DegradationKind.DEGRADATION_KIND_SPARSE_ONLY)]
    result = evaluate()
    assert result.exit_code == 1
    assert "hybrid: 2 searches were made less well than configured: SPARSE_ONLY." in result.stderr


def test_the_address_before_the_command_counts_too(gateway: FakeGateway, birds: Path) -> None:
    with serving(gateway) as address:
        result = CliRunner().invoke(app, ["--address", address, "eval", str(birds)])
    assert result.exit_code == 0
    assert len(searches(gateway)) == 2


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "qrels.tsv").unlink(), "has no judgements"),
        (lambda folder: (folder / "qrels.tsv").write_text("q1\tx\t0\n"), "there is nothing to score"),
        (lambda folder: (folder / "corpus.jsonl").unlink(), "corpus.jsonl cannot be read: No such file"),
        (lambda folder: (folder / "queries.jsonl").write_text("{}\n{\n"), "queries.jsonl, line 1: `_id`"),
    ],
)
def test_a_broken_collection_is_wrong_usage_and_asks_no_server(
    evaluate: Evaluate, gateway: FakeGateway, birds: Path, spoil: Callable[[Path], object], message: str
) -> None:
    spoil(birds)
    result = evaluate()
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert gateway.calls == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--json", "no/such/folder/x.json"],
        ["--mode", "fast"],
        ["--limit-queries", "0"],
        ["--concurrency", "0"],
    ],
)
def test_wrong_options_exit_with_2(evaluate: Evaluate, gateway: FakeGateway, arguments: list[str]) -> None:
    assert evaluate(*arguments).exit_code == 2
    assert gateway.calls == []
