"""A comparison of two runs tells a regression from noise, and refuses what cannot be compared."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import report
from benchmarks.compare import Change, differences, main, missing
from benchmarks.measurement import Measurement
from benchmarks.report import PartResult, Report

MACHINE = {"system": "Linux x86_64", "cpu_model": "A", "cpus": 2, "memory_gib": 8, "python": "3.11"}
FACTS = MACHINE | {"date": "then", "revision": "abc", "python_version": "3.11.7", "packages": {"grpcio": "1"}}


def change(before: list[float], after: list[float], *, higher: bool | None) -> Change:
    return Change(
        "search", Measurement("x", "", tuple(before), higher), Measurement("x", "", tuple(after), higher)
    )


def reported(*measurements: Measurement) -> Report:
    return Report(FACTS, {"generator": "built-in"}, [PartResult("search", "python", 0.1, 2.0, measurements)])


@pytest.mark.parametrize(
    ("before", "after", "higher", "expected"),
    [
        ([10, 11, 12], [20, 21, 22], False, True),  # slower
        ([10, 11, 12], [20, 21, 22], True, False),  # faster
        ([20, 21, 22], [10, 11, 12], True, True),
        ([10, 11, 12], [12.5, 13, 14], False, False),  # within the tolerance
        ([10, 11, 25], [20, 21, 22], False, False),  # within the baseline's spread
        ([10, 11, 12], [11.5, 21, 22], False, False),  # within the new one's spread
        ([10, 11, 12], [20, 21, 22], None, False),  # neither is better
        ([0, 0, 0], [1, 1, 1], False, True),
        ([0, 0, 0], [0, 0, 0], False, False),
    ],
)
def test_a_regression_is_worse_beyond_the_tolerance_and_both_spreads(
    before: list[float], after: list[float], higher: bool | None, expected: bool
) -> None:
    assert change(before, after, higher=higher).is_regression(0.3) is expected


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=7), st.booleans(), st.floats(0, 10))
def test_nothing_is_worse_than_itself(values: list[float], higher: bool, tolerance: float) -> None:
    assert not change(values, values, higher=higher).is_regression(tolerance)


@given(st.floats(0.1, 1e6), st.floats(0.1, 1e6))
def test_what_is_worse_one_way_is_better_the_other_way(one: float, other: float) -> None:
    forth, back = change([one], [other], higher=False), change([other], [one], higher=False)
    assert forth.ratio == 0 or math.copysign(1, forth.ratio) == -math.copysign(1, back.ratio)


def test_another_machine_and_other_conditions_are_named() -> None:
    one = reported()
    other = replace(one, machine=FACTS | {"cpus": 8}, conditions={"generator": "ghz v0.121.0"})
    assert differences(one, one) == []
    assert differences(one, other) == [
        "cpus: 2 then, 8 now",
        "generator: built-in then, ghz v0.121.0 now",
    ]


def test_a_later_date_and_commit_are_no_difference() -> None:
    assert (
        differences(reported(), replace(reported(), machine=FACTS | {"date": "now", "revision": "d"})) == []
    )


def test_figures_that_are_gone_are_named() -> None:
    assert missing(reported(Measurement("p50", "ms", (1.0,))), reported()) == ["search: p50"]


class TestCommand:
    """The exit code, and what is printed."""

    @pytest.fixture
    def compare(self, tmp_path: Path) -> Callable[..., int]:
        def run(before: Report, after: Report, *options: str) -> int:
            report.write(tmp_path / "a.json", before)
            report.write(tmp_path / "b.json", after)
            return main([str(tmp_path / "a.json"), str(tmp_path / "b.json"), *options])

        return run

    def test_a_regression_ends_with_1_and_is_shown(
        self, compare: Callable[..., int], capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = reported(Measurement("p50", "ms", (1.0, 1.1)))
        after = reported(Measurement("p50", "ms", (2.0, 2.2)))
        assert compare(before, before) == 0
        assert compare(before, after) == 1
        assert "REGRESSION  search: p50: 1.05 to 2.1 ms (100% worse)" in capsys.readouterr().out
        assert compare(before, after, "--tolerance", "1.5") == 0

    def test_a_figure_that_is_gone_ends_with_1(self, compare: Callable[..., int]) -> None:
        assert compare(reported(Measurement("p50", "ms", (1.0,))), reported()) == 1

    def test_another_machine_is_refused_unless_told(
        self, compare: Callable[..., int], capsys: pytest.CaptureFixture[str]
    ) -> None:
        other = replace(reported(), machine=FACTS | {"cpu_model": "B"})
        assert compare(reported(), other) == 2
        assert "--any-machine" in capsys.readouterr().out
        assert compare(reported(), other, "--any-machine") == 0

    def test_what_is_no_report_is_refused(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "a.json").write_text("{}")
        with pytest.raises(SystemExit) as ended:
            main([str(tmp_path / "a.json"), str(tmp_path / "a.json")])
        assert ended.value.code == 2
        assert "is not a report" in capsys.readouterr().err
