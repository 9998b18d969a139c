"""Instruments do nothing until turned on, then show what Prometheus expects."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from libs.telemetry import metrics
from libs.telemetry.metrics import Counter, Gauge, Histogram

CALLS = Counter("test_calls", "Calls of this test.", "method")
SIZE = Gauge("test_size", "A size.", "room")
STATE = Gauge("test_state", "States.", "target", "state")
TOOK = Histogram("test_took_seconds", "Durations.", buckets=(0.1, 1.0))


@pytest.fixture
def registry() -> Iterator[CollectorRegistry]:
    registry = CollectorRegistry()
    metrics.turn_on(registry)
    yield registry
    metrics.turn_off()


def test_nothing_is_counted_while_metrics_are_off() -> None:
    CALLS.add("a")
    SIZE.follow(lambda: pytest.fail("nobody asks"), "x")
    TOOK.observe(1.0)
    metrics.refresh()
    assert not CALLS.is_on


def test_counts_begin_at_zero_each_time_they_are_turned_on(registry: CollectorRegistry) -> None:
    CALLS.add("a")
    CALLS.add("a", by=2)
    assert registry.get_sample_value("test_calls_total", {"method": "a"}) == 3
    again = CollectorRegistry()
    metrics.turn_on(again)
    assert again.get_sample_value("test_calls_total", {"method": "a"}) is None


def test_a_histogram_counts_by_its_bounds(registry: CollectorRegistry) -> None:
    for value in (0.05, 0.5, 5.0):
        TOOK.observe(value)
    assert registry.get_sample_value("test_took_seconds_bucket", {"le": "0.1"}) == 1
    assert registry.get_sample_value("test_took_seconds_bucket", {"le": "+Inf"}) == 3
    assert registry.get_sample_value("test_took_seconds_sum") == 5.55


def test_a_followed_gauge_is_read_when_refreshed(registry: CollectorRegistry) -> None:
    size = [1.0]
    SIZE.follow(lambda: size[0], "x")
    size[0] = 7.0
    metrics.refresh()
    assert registry.get_sample_value("test_size", {"room": "x"}) == 7


def test_what_is_followed_as_a_whole_forgets_what_is_gone(registry: CollectorRegistry) -> None:
    states = {("a", "open"): 1.0, ("b", "open"): 0.0}
    STATE.follow_all(lambda: states)
    metrics.refresh()
    assert registry.get_sample_value("test_state", {"target": "a", "state": "open"}) == 1
    del states["a", "open"]
    metrics.refresh()
    assert registry.get_sample_value("test_state", {"target": "a", "state": "open"}) is None
    assert registry.get_sample_value("test_state", {"target": "b", "state": "open"}) == 0
