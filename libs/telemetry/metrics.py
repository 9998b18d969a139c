"""Counters, gauges and histograms: declared where they are used, collected once a process turns them on.

An instrument is a constant of a module, as a logger is:

    CALLS = Counter("docuquery_calls", "Calls.", "method")

Until `turn_on` it does nothing. Names follow Prometheus: base units; `_total` is added to counters. Label
values come from closed sets (methods, reasons, providers that are configured), never from a request: each
combination is kept for the life of the process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of histograms of durations: a search takes milliseconds, an answer up to a minute."""

_declared: list[Instrument] = []


class Instrument:
    """What the three kinds share."""

    _kind: ClassVar[str]
    """Its class in prometheus_client."""

    def __init__(self, name: str, description: str, *labels: str, **options: Any) -> None:
        self.name = name
        self.description = description
        self.labels = labels
        self._options = options
        self._metric: Any = None
        self._children: dict[tuple[str, ...], Any] = {}
        _declared.append(self)

    @property
    def is_on(self) -> bool:
        """Whether anything is collected."""
        return self._metric is not None

    def collect_in(self, registry: CollectorRegistry | None) -> None:
        """Begins to collect anew in `registry`; None stops."""
        self._children = {}
        self._metric = None
        if registry is not None:
            import prometheus_client  # not loaded where nobody scrapes

            made = getattr(prometheus_client, self._kind)
            self._metric = made(self.name, self.description, self.labels, registry=registry, **self._options)

    def _child(self, labels: tuple[str, ...]) -> Any:
        child = self._children.get(labels)
        if child is None:
            child = self._metric.labels(*labels) if labels else self._metric
            self._children[labels] = child
        return child


class Counter(Instrument):
    """Something that only grows."""

    _kind = "Counter"

    def add(self, *labels: str, by: float = 1.0) -> None:
        """Adds `by` (0 or more) to the count of these labels."""
        if self._metric is not None:
            self._child(labels).inc(by)


class Histogram(Instrument):
    """How often values of which size occur."""

    _kind = "Histogram"

    def __init__(self, name: str, description: str, *labels: str, buckets: Sequence[float] = SECONDS) -> None:
        super().__init__(name, description, *labels, buckets=buckets)

    def observe(self, value: float, *labels: str) -> None:
        """Counts one value."""
        if self._metric is not None:
            self._child(labels).observe(value)


class Gauge(Instrument):
    """Something that is as large as it is now: told by `set` and `add`, or asked for by a scrape."""

    _kind = "Gauge"

    def __init__(self, name: str, description: str, *labels: str) -> None:
        super().__init__(name, description, *labels)
        self._sources: list[Callable[[], None]] = []

    def set(self, value: float, *labels: str) -> None:
        """The value is this from now on."""
        if self._metric is not None:
            self._child(labels).set(value)

    def add(self, by: float, *labels: str) -> None:
        """Changes the value."""
        if self._metric is not None:
            self._child(labels).inc(by)

    def follow(self, read: Callable[[], float], *labels: str) -> None:
        """Has `read` asked at each scrape, on the event loop; it must be quick and must not wait."""
        if self._metric is not None:
            self._sources.append(lambda: self.set(read(), *labels))

    def follow_all(self, read: Callable[[], Mapping[tuple[str, ...], float]]) -> None:
        """The same for all labels at once: those `read` does not name any more are shown no more."""

        def replace() -> None:
            self._metric.clear()
            self._children = {}
            for labels, value in read().items():
                self.set(value, *labels)

        if self._metric is not None:
            self._sources.append(replace)

    def refresh(self) -> None:
        """Reads what is followed."""
        for source in self._sources:
            source()

    def collect_in(self, registry: CollectorRegistry | None) -> None:
        """See `Instrument.collect_in`; what was followed is forgotten."""
        super().collect_in(registry)
        self._sources = []


def declared() -> Sequence[Instrument]:
    """Every instrument of the modules loaded so far."""
    return tuple(_declared)


def turn_on(registry: CollectorRegistry) -> None:
    """Collects everything declared so far in `registry`, from zero."""
    for instrument in _declared:
        instrument.collect_in(registry)


def turn_off() -> None:
    """Stops collecting."""
    for instrument in _declared:
        instrument.collect_in(None)


def refresh() -> None:
    """Reads everything that is followed; to be called on the event loop, before a scrape is answered."""
    for instrument in _declared:
        if isinstance(instrument, Gauge):
            instrument.refresh()
