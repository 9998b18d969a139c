"""DocuQuery beside LangChain, Haystack and LlamaIndex: the same corpus, chunk size, vectors and server.

    python -m benchmarks.peers.run [--peers NAME,...] [--rounds N] [--write] FOLDER

FOLDER is a collection in the layout of BEIR (docs/evaluation.md). Each peer is installed from PyPI into
build/peers/NAME by the versions in benchmarks/peers/NAME.in, and gets an empty Qdrant server of its own each
round; the peers take turns. Prints a table of medians and spreads; --write puts it into
docs/benchmarks/peers.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import machine
from benchmarks.documents import replace_section
from benchmarks.load import percentile
from benchmarks.peers.job import RANKED, Job, Outcome
from benchmarks.qdrant_server import ROOT, VERSION, one_server
from benchmarks.report import figure
from docuquery_client.evaluation.beir import RetrievalDataset, load
from docuquery_client.evaluation.ranking_metrics import ndcg

PEERS = ("docuquery", "langchain", "haystack", "llamaindex")
DOCUMENT = ROOT / "docs/benchmarks/peers.md"
_CHUNK, _OVERLAP = 500, 50
_MIB = 1024 * 1024


def python_of(peer: str) -> str:
    """The interpreter of the peer's environment, made when it is not there. Raises CalledProcessError."""
    if peer == "docuquery":
        return sys.executable
    folder = ROOT / "build/peers" / peer
    python = folder / "bin/python"
    if not (folder / "installed").exists():
        uv = str(Path(sys.executable).parent / "uv")
        wanted = str(ROOT / f"benchmarks/peers/{peer}.in")
        for arguments in (
            ("venv", "--quiet", "--clear", "--python", sys.executable, str(folder)),
            ("pip", "install", "--quiet", "--python", str(python), "-r", wanted),
        ):
            subprocess.run((uv, *arguments), check=True)  # noqa: S603
        (folder / "installed").touch()
    return str(python)


def run_once(peer: str, dataset: RetrievalDataset) -> tuple[Outcome, float]:
    """One round of one peer: its outcome, and the server's memory in MiB."""
    with tempfile.TemporaryDirectory() as work, one_server(Path(work, "qdrant")) as servers:
        (node,) = servers.nodes
        documents = [(one.id, one.title, one.text) for one in dataset.documents if not one.is_blank]
        queries = [(query.id, query.text) for query in dataset.queries]
        job, outcome = Path(work, "job.json"), Path(work, "outcome.json")
        Job(documents, queries, node.http_port, node.grpc_port, _CHUNK, _OVERLAP).write(job)
        command = (python_of(peer), "-m", f"benchmarks.peers.{peer}_peer", str(job), str(outcome))
        environment = os.environ | {"HAYSTACK_TELEMETRY_ENABLED": "False", "TOKENIZERS_PARALLELISM": "false"}
        subprocess.run(command, check=True, cwd=ROOT, env=environment)  # noqa: S603
        return Outcome.read(outcome), node.resident_bytes / _MIB


def rows(peer: str, rounds: list[tuple[Outcome, float]], dataset: RetrievalDataset) -> list[str]:
    """A row of the table for each way of searching the peer has."""
    size = sum(len(one.title) + len(one.text) for one in dataset.documents) / 1e6
    outcomes = [outcome for outcome, _ in rounds]
    versions = ", ".join(f"{name} {version}" for name, version in outcomes[0].versions.items())
    found = []
    for way in outcomes[0].ways:
        name = f"{peer}, {way}" if way else peer

        def spread(value: Callable[[Outcome], float]) -> str:
            values = [value(outcome) for outcome in outcomes]
            return f"{figure(statistics.median(values))} ({figure(min(values))} to {figure(max(values))})"

        def latency(outcome: Outcome, percent: float, way: str = way) -> float:
            return percentile([ms / 1e3 for ms in outcome.ways[way].latencies_ms], percent)

        score = statistics.mean(
            ndcg(outcomes[0].ways[way].rankings[query.id], query.grades, RANKED) for query in dataset.queries
        )
        cells = (
            name,
            versions,
            str(outcomes[0].chunks),
            spread(lambda outcome: size / outcome.ingest_seconds),
            spread(lambda outcome: latency(outcome, 50)),
            spread(lambda outcome: latency(outcome, 95)),
            spread(lambda outcome: outcome.memory_mib),
            figure(statistics.median(server for _, server in rounds)),
            f"{score:.3f}",
        )
        found.append(f"| {' | '.join(cells)} |")
    return found


def main() -> None:
    """Reads the arguments, measures, prints, writes."""
    parser = argparse.ArgumentParser(prog="benchmarks.peers.run")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help=f"into {DOCUMENT.relative_to(ROOT)}")
    options = parser.parse_args()
    peers = options.peers.split(",")
    if unknown := set(peers) - set(PEERS):
        parser.error(f"there is no peer {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    dataset = load(options.folder)
    load_before = os.getloadavg()[0]
    rounds: dict[str, list[tuple[Outcome, float]]] = {peer: [] for peer in peers}
    for _ in range(options.rounds):
        for peer in peers:
            rounds[peer].append(run_once(peer, dataset))
    facts = machine.facts()
    table = "\n".join(
        (
            f"{len(dataset.documents)} documents, {len(dataset.queries)} queries ({dataset.name}), "
            f"{options.rounds} rounds; {facts['date']}, {facts['cpus']} CPUs ({facts['cpu_model']}), "
            f"load average before {load_before:.1f}, Python {facts['python_version']}, Qdrant {VERSION}.",
            "",
            "| peer | versions | chunks | ingest, MB/s | query p50, ms | query p95, ms | memory, MiB "
            f"| its Qdrant, MiB | nDCG@{RANKED} |",
            "|---|---|---|---|---|---|---|---|---|",
            *(row for peer in peers for row in rows(peer, rounds[peer], dataset)),
        )
    )
    print(table)
    if options.write:
        replace_section(DOCUMENT, "peers", table)


if __name__ == "__main__":
    main()
