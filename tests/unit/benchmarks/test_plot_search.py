"""The tables of docs/scaling.md are those of the committed measurements, and its sums are right."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from benchmarks import plot_search

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "scaling.md").read_text()
RESULTS = plot_search.read(sorted((ROOT / "docs" / "benchmarks").glob("search-*.json")))
FULL = 0.7
"""Of a core, where a pod is added."""


def test_the_page_has_the_tables_of_the_measurements() -> None:
    assert plot_search.table(RESULTS) in PAGE
    assert plot_search.sums(RESULTS) in PAGE


def test_memory_a_chunk_is_what_more_chunks_took() -> None:
    small = {"chunks": 1000, "memory_mib": {"retrieval": 100, "node 1": 50, "node 2": 50}}
    large = {"chunks": 1000 + 1024, "memory_mib": {"retrieval": 101, "node 1": 52, "node 2": 52}}
    assert plot_search.bytes_a_chunk(small, large) == (1024, 4096)


def test_one_core_is_what_bounds_the_embedded_store() -> None:
    for one in plot_search.by_store(RESULTS)["edge"]:
        load = one["in_flight_16"]
        assert load["per_second"] == pytest.approx(1000 / load["cpu_ms_per_search"]["retrieval"], rel=0.07)


def test_the_numbers_of_replicas_follow_from_the_formula() -> None:
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| ([\d.]+) \| (\d+) \|$", PAGE, re.M)
    assert len(rows) == 4
    for row in rows:
        asked, gateway, answer, retrieval, plain, cores, under_way = map(float, row)
        assert under_way == asked * 5
        assert gateway == max(_replicas(asked, 1.7), math.ceil(under_way / 256))
        assert answer == _replicas(asked, 2.2)
        assert retrieval == _replicas(asked, 2.6 + 13.9)
        assert plain == _replicas(asked, 2.6)
        assert cores == round(asked * 2.6 / 1000 / FULL, 1)


def _replicas(asked: float, milliseconds: float) -> int:
    return math.ceil(asked * milliseconds / 1000 / FULL)


def test_it_draws_a_picture(tmp_path: Path) -> None:
    plot_search.draw(RESULTS, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
