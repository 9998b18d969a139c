"""A run is kept whole in its file, and its tables say what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.machine import cpu_model, memory_gib
from benchmarks.measurement import Measurement
from benchmarks.report import PartResult, Report, figure, markdown

FACTS = {
    "date": "2026-01-01", "revision": "abc", "cpus": 2, "cpu_model": "A", "memory_gib": 8,
    "system": "Linux x86_64", "python_version": "3.11.7", "packages": {"grpcio": "1.85"},
}  # fmt: skip
RUN = Report(
    FACTS,
    {"generator": "built-in", "chunks": [100]},
    [PartResult("callers", "python -m x", 1.5, 2.0, [Measurement("rate", "/s", (90.0, 120.0, 100.0), True)])],
    "shared machine",
)


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    report.write(tmp_path / "run.json", RUN)
    assert report.read(tmp_path / "run.json") == RUN


def test_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"format": 99}')
    with pytest.raises(ValueError, match="run make bench again"):
        report.read(tmp_path / "run.json")


def test_a_row_has_median_spread_and_rounds_and_the_page_the_machine() -> None:
    page = markdown(RUN, ["callers.png"])
    assert "| rate | 100 /s | 90 to 120 | 3 |" in page
    assert "2 CPUs (A), 8 GiB" in page
    assert "shared machine" in page
    assert "![callers.png](callers.png)" in page
    assert "load average before: 1.5" in page


@pytest.mark.parametrize(
    ("value", "shown"), [(12345.6, "12,346"), (12.345, "12.3"), (0.01234, "0.0123"), (0, "0")]
)
def test_figures_show_three_digits(value: float, shown: str) -> None:
    assert figure(value) == shown


def test_the_machine_is_read_from_proc() -> None:
    assert cpu_model("processor\t: 0\nmodel name\t: Zen 5: fast\nmodel name\t: other\n") == "Zen 5: fast"
    assert memory_gib("MemFree: 1 kB\nMemTotal:       16384000 kB\n") == 16
    assert (cpu_model(""), memory_gib("")) == ("unknown", 0)
