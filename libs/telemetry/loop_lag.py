"""How late an event loop is: what every call waits besides its own work."""

from __future__ import annotations

from libs.clock import Clock
from libs.telemetry.metrics import Histogram

LAG = Histogram(
    "docuquery_event_loop_lag_seconds",
    "How much later than asked a timer of the event loop fires.",
    "service",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)

_TICK_SECONDS = 0.1
"""Ten samples a second cost the loop less than a thousandth of its time."""


async def measure_lag(service: str, clock: Clock) -> None:
    """Measures until cancelled."""
    while True:
        due = clock.monotonic() + _TICK_SECONDS
        await clock.sleep(_TICK_SECONDS)
        LAG.observe(max(0.0, clock.monotonic() - due), service)
