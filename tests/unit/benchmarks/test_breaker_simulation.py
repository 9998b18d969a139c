"""The simulation is the same every time, and what the documents quote of it is what it gives."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.breaker_simulation import (
    BEFORE_SECONDS,
    DOCUMENT,
    FAULT_SECONDS,
    FAULTS,
    PLOT,
    Run,
    row,
    simulate,
)
from benchmarks.documents import read_section
from benchmarks.simulated_time import SimulatedClock, run_simulated


@pytest.fixture(scope="module")
def dead() -> Run:
    return run_simulated(simulate(FAULTS["dead"], breakers_work=True))


def test_everybody_is_answered_and_five_calls_and_the_probes_are_wasted(dead: Run) -> None:
    assert all(one.by for one in dead.asked)
    probes = 6  # after 5, 10, 20, 40, 60 and 60 seconds
    in_flight = 2  # begun before the fifth had failed
    assert len(dead.wasted_at) <= 5 + probes + in_flight
    assert dead.recovered_after <= 60 * 1.2


def test_once_the_breaker_is_open_nobody_is_slower(dead: Run) -> None:
    waited = [
        one.first_text_seconds
        for one in dead.during(BEFORE_SECONDS + 5, BEFORE_SECONDS + FAULT_SECONDS)
        if one.first_text_seconds > 3
    ]
    assert waited == []


@pytest.mark.parametrize("fault", ["dead", "flapping"])
def test_the_documented_figures_are_those_of_this_program(fault: str, dead: Run) -> None:
    run = dead if fault == "dead" else run_simulated(simulate(FAULTS[fault], breakers_work=True))
    assert row(fault, "yes", run) in read_section(DOCUMENT, "breaker simulation").splitlines()
    assert PLOT.exists()


def test_simulated_time_passes_only_while_everybody_waits() -> None:
    async def main() -> list[float]:
        clock, moments = SimulatedClock(), []

        async def sleeper(seconds: float) -> None:
            await clock.sleep(seconds)
            moments.append(clock.monotonic())

        await asyncio.gather(sleeper(86_400), sleeper(3600), sleeper(-1))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await asyncio.Event().wait()
        moments.append(clock.monotonic())
        return moments

    assert run_simulated(main()) == pytest.approx([0, 3600, 86_400, 86_410])
