"""Figures of several rounds: their median and spread, joined over runs, kept in a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import measurement
from benchmarks.measurement import Measurement, joined

VALUES = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=9).map(tuple)


@given(VALUES)
def test_the_median_lies_in_the_spread(values: tuple[float, ...]) -> None:
    one = Measurement("rate", "/s", values)
    assert one.low <= one.median <= one.high


def test_runs_are_joined_by_name_in_the_order_of_their_rounds() -> None:
    first = [Measurement("rate", "/s", (1.0, 2.0), True), Measurement("p50", "ms", (5.0,))]
    second = [Measurement("p50", "ms", (6.0,)), Measurement("rate", "/s", (3.0,), True)]
    assert joined([first, second]) == [
        Measurement("rate", "/s", (1.0, 2.0, 3.0), True),
        Measurement("p50", "ms", (5.0, 6.0)),
    ]


@given(VALUES, st.sampled_from([True, False, None]))
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, values: tuple[float, ...], better: bool | None
) -> None:
    path = tmp_path_factory.mktemp("figures") / "figures.json"
    found = [Measurement("größe", "MB/s", values, better)]
    measurement.write(path, found, cpus=2)
    assert measurement.read(path) == found


def test_a_measurement_without_values_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    measurement.write(path, [Measurement("rate", "/s", ())])
    with pytest.raises(ValueError, match="rate"):
        measurement.read(path)
