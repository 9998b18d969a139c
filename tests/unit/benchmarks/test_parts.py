"""Which benchmarks a run is made of, and how the load generators' figures are read."""

from __future__ import annotations

import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from benchmarks.concurrency import measured
from benchmarks.generator import Asked
from benchmarks.ghz import asked_of, protoset
from benchmarks.load import Figure
from benchmarks.measurement import Measurement
from benchmarks.parts import FULL, NORMAL, QUICK, Sizes, parts
from benchmarks.peers.job import Job, Outcome, Way, distinct
from benchmarks.run import sort_out
from benchmarks.texts import sentences_of


@pytest.mark.parametrize("sizes", [QUICK, NORMAL, FULL])
def test_every_part_is_a_benchmark_and_has_a_name_of_its_own(sizes: Sizes, tmp_path: Path) -> None:
    found = parts(sizes, ["samples"], ["a.txt"], ["a.pdf"], tmp_path)
    assert len({part.name for part in found}) == len(found)
    for part in found:
        assert callable(importlib.import_module(f"benchmarks.{part.module}").main)


def test_what_is_not_among_the_files_is_not_ingested(tmp_path: Path) -> None:
    names = [part.name for part in parts(QUICK, ["samples"], ["a.txt"], [], tmp_path)]
    assert "ingest of text" in names
    assert "ingest of PDF" not in names


def test_pdfs_are_measured_apart_whatever_their_folders(tmp_path: Path) -> None:
    for folder, name in (("a", "x.PDF"), ("b", "x.PDF"), ("b", "y.md")):
        (tmp_path / "in" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / folder / name).write_text(folder)
    sort_out([str(tmp_path / "in")], tmp_path)
    assert sorted(path.read_text() for path in (tmp_path / "pdfs").iterdir()) == ["a", "b"]
    assert [path.suffix for path in (tmp_path / "texts").iterdir()] == [".md"]


def test_a_run_needs_rounds_and_sizes() -> None:
    with pytest.raises(ValueError, match="round"):
        replace(QUICK, rounds=0)
    with pytest.raises(ValueError, match="size"):
        replace(QUICK, chunks=())


def test_a_report_of_ghz_is_read_in_milliseconds_and_counts_what_failed() -> None:
    document = {
        "count": 110,
        "total": 2_000_000_000,
        "statusCodeDistribution": {"OK": 100, "Unavailable": 10},
        "latencyDistribution": [
            {"percentage": percent, "latency": percent * 1_000_000} for percent in (10, 50, 90, 95, 99)
        ],
    }
    assert asked_of(document) == Asked(50.0, 50.0, 95.0, 99.0, 100, 10)


def test_a_report_of_ghz_without_answers_is_refused() -> None:
    with pytest.raises(ValueError, match="refused"):
        asked_of({"count": 1, "total": 1, "errorDistribution": {"refused": 1}})


def test_the_described_api_is_complete(tmp_path: Path) -> None:
    protoset(tmp_path / "api.protoset")
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString((tmp_path / "api.protoset").read_bytes()).file:
        pool.Add(file)
    service = pool.FindServiceByName("docuquery.gateway.v1.DocuQueryService")
    assert {"Search", "Query"} <= set(service.methods_by_name)


def test_bursts_become_a_value_each() -> None:
    rate, *_, failed = measured("Search", 4, [Asked(10, 1, 2, 3, 30, 0), Asked(20, 1, 2, 3, 60, 1)])
    assert rate == Measurement("Search at 4, rate", "/s", (10, 20), True)
    assert failed.values == (0.0, 1.0)


def test_a_lower_limit_says_that_higher_is_better() -> None:
    assert Figure("rate", [1.0], "/s", 5, at_least=True).measurement.higher_is_better is True


def test_sentences_come_from_texts_only(tmp_path: Path) -> None:
    sentence = "This is a sentence that is long enough to be one of those that are asked for."
    (tmp_path / "a.txt").write_text(f"{sentence}\n" * 100)
    (tmp_path / "b.pdf").write_bytes(b"%PDF \xff\xfe " + sentence.encode() * 3)
    assert sentences_of([str(tmp_path)]) == [sentence] * 100
    assert sentences_of([str(tmp_path / "a.txt")]) == [sentence] * 100
    with pytest.raises(SystemExit, match="too little text"):
        sentences_of([str(tmp_path / "b.pdf")])


def test_a_peers_job_and_outcome_come_through_their_files(tmp_path: Path) -> None:
    job = Job([("1", "", "text")], [("q", "asked")], 1, 2, 500, 50)
    job.write(tmp_path / "job.json")
    read = Job.read(tmp_path / "job.json")
    assert [tuple(one) for one in read.documents] == job.documents
    outcome = Outcome({"a": "1"}, 2.0, 3, 4.0, {"": Way([1.0], {"q": ["1"]})})
    outcome.write(tmp_path / "out.json")
    assert Outcome.read(tmp_path / "out.json") == outcome


def test_a_document_ranks_where_its_best_chunk_does() -> None:
    assert distinct(["b", "a", "b", "c", "a"]) == ["b", "a", "c"]


def test_a_peers_environment_needs_nothing_of_ours_to_read_its_job() -> None:
    """Only the standard library and benchmarks: numpy, grpc and protobuf stay unloaded."""
    code = (
        "import benchmarks.peers.job, sys; "
        "sys.exit(bool({'numpy', 'grpc', 'google.protobuf', 'docuquery_client'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False)
    assert done.returncode == 0
