"""What `benchmarks.search --json` measured, as a table, as sums for planning, and as a picture.

    python -m benchmarks.plot_search FILE... [--png FILE]

Prints the tables of docs/scaling.md; the committed measurements are docs/benchmarks/search-*.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # no display

from matplotlib import pyplot as plt

Result = dict[str, Any]
"""One of `results` of a report: `benchmarks.search.Result` as JSON."""

_COLOURS = {"edge": "#4c78a8", "server": "#f28e2b", "cluster": "#59a14f"}
_COLUMNS = (
    "store",
    "chunks",
    "one caller: p50, p95, ms",
    "reranked: p50, ms",
    "16 in flight: searches/s",
    "health check p99, ms",
    "CPU a search: retrieval, nodes, ms",
    "memory: retrieval, nodes, MiB",
    "while indexing: searches/s, documents/s",
)


def read(paths: Iterable[Path]) -> list[Result]:
    """All results of some reports."""
    return [result for path in paths for result in json.loads(path.read_text())["results"]]


def _retrieval_and_nodes(by_process: dict[str, float]) -> tuple[float, float]:
    nodes = sum(value for name, value in by_process.items() if name.startswith("node"))
    return by_process["retrieval"], nodes


def table(results: Iterable[Result]) -> str:
    """A row for each store and size, in Markdown."""
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|---" * len(_COLUMNS) + "|"]
    for one in results:
        alone, load, indexing = one["one_caller"], one["in_flight_16"], one["while_indexing"]
        cpu, node_cpu = _retrieval_and_nodes(load["cpu_ms_per_search"])
        memory, node_memory = _retrieval_and_nodes(one["memory_mib"])
        meanwhile = (
            f"{indexing['per_second']:.0f}, {indexing['documents_per_second']:.0f}" if indexing else "–"
        )
        cells = (
            one["store"],
            f"{one['chunks']:,}",
            f"{alone['p50_ms']:.1f}, {alone['p95_ms']:.1f}",
            f"{one['one_caller_reranked']['p50_ms']:.1f}",
            f"{load['per_second']:.0f}",
            f"{load['health_check']['p99_ms']:.0f}",
            f"{cpu:.1f}, {node_cpu:.1f}" if node_cpu else f"{cpu:.1f}",
            f"{memory}, {node_memory}" if node_memory else f"{memory}",
            meanwhile,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def bytes_a_chunk(smallest: Result, largest: Result) -> tuple[float, float]:
    """Bytes of memory another chunk takes in retrieval and in all nodes, from two sizes of one store."""
    more = largest["chunks"] - smallest["chunks"]
    before, after = (_retrieval_and_nodes(one["memory_mib"]) for one in (smallest, largest))
    retrieval, nodes = (1024 * 1024 * (b - a) / more for a, b in zip(before, after, strict=True))
    return retrieval, nodes


def by_store(results: Iterable[Result]) -> dict[str, list[Result]]:
    """The results of each store, smallest first."""
    found: dict[str, list[Result]] = {}
    for one in sorted(results, key=lambda one: one["chunks"]):
        found.setdefault(one["store"], []).append(one)
    return found


def sums(results: Iterable[Result]) -> str:
    """Per store: memory a chunk, and the searches a second one retrieval process is good for."""
    lines = [
        "| store | memory a chunk: retrieval, nodes, bytes | searches/s of a core of retrieval, by chunks |",
        "|---|---|---|",
    ]
    for store, rows in by_store(results).items():
        retrieval, nodes = bytes_a_chunk(rows[0], rows[-1])
        rates = (
            f"{1000 / one['in_flight_16']['cpu_ms_per_search']['retrieval']:.0f} at {one['chunks']:,}"
            for one in rows
        )
        lines.append(f"| {store} | {retrieval:,.0f}, {nodes:,.0f} | {', '.join(rates)} |")
    return "\n".join(lines) + "\n"


def draw(results: Iterable[Result], path: Path) -> None:
    """Writes three curves by number of chunks as a PNG: latency, rate, memory."""
    figure, (latency, rate, memory) = plt.subplots(1, 3, figsize=(12, 3.6))
    for store, rows in by_store(results).items():
        chunks = [one["chunks"] for one in rows]
        colour = _COLOURS.get(store, "black")
        for axis, values, label, style in (
            (latency, [one["one_caller"]["p50_ms"] for one in rows], store, "-"),
            (latency, [one["one_caller_reranked"]["p50_ms"] for one in rows], f"{store}, reranked", "--"),
            (rate, [one["in_flight_16"]["per_second"] for one in rows], store, "-"),
            (rate, _while_indexing(rows), f"{store}, while indexing", "--"),
            (memory, [one["memory_mib"]["retrieval"] for one in rows], f"{store}: retrieval", "-"),
            (memory, [_retrieval_and_nodes(one["memory_mib"])[1] for one in rows], f"{store}: nodes", "--"),
        ):
            if any(values):
                axis.plot(chunks, values, style, color=colour, marker="o", markersize=4, label=label)
    for axis, title in (
        (latency, "one caller, median, ms"),
        (rate, "searches a second, 16 in flight"),
        (memory, "memory, MiB"),
    ):
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("chunks")
        axis.set_xscale("log")
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8, frameon=False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _while_indexing(rows: Sequence[Result]) -> list[float]:
    return [one["while_indexing"]["per_second"] if one["while_indexing"] else 0 for one in rows]


def main() -> None:
    """Reads the arguments, prints, draws."""
    parser = argparse.ArgumentParser(prog="benchmarks.plot_search", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--png", type=Path)
    arguments = parser.parse_args()
    results = read(arguments.files)
    print(f"{table(results)}\n{sums(results)}", end="")
    if arguments.png:
        draw(results, arguments.png)


if __name__ == "__main__":
    main()
