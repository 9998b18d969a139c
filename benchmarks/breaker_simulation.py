"""What circuit breakers and fallback are worth: a faulty provider under load, in simulated time.

    python -m benchmarks.breaker_simulation [--write]

Questions arrive at random, 50 a second, and are answered by the gateway's own attempt loop and breakers
(services/gateway/fallback/ladder.py, breakers/breaker.py), on an event loop whose time is simulated. The
first provider is healthy, then has one of several faults for three minutes, then is healthy again; the
second is always healthy; extractive answers are the last rung. Each fault is run with breakers and with all
of them forced closed. The same seed gives the same figures on any machine. `--write` puts the table and the
plot into docs/.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import structlog

from benchmarks import simulated_providers as faults
from benchmarks.documents import replace_section
from benchmarks.simulated_providers import Fault, SimulatedProvider
from benchmarks.simulated_run import AFTER_SECONDS, BEFORE_SECONDS, FAULT_SECONDS, FIRST, Asked, Run
from benchmarks.simulated_time import SimulatedClock, run_simulated
from docuquery.answer.v1.answer_service_pb2 import GenerationCompleted
from libs.errors import DocuQueryError
from libs.rpc.deadlines import Deadline
from services.gateway.breakers.model import BreakerPolicy, Override
from services.gateway.breakers.registry import Breakers
from services.gateway.fallback.attempt import EventStream
from services.gateway.fallback.candidates import Candidate, Plan
from services.gateway.fallback.ladder import AttemptPolicy, Ladder
from services.gateway.model import Completed, GenerationEvent, Started

DOCUMENT = Path(__file__).parents[1] / "docs" / "resilience.md"
PLOT = DOCUMENT.parent / "images" / "breaker-simulation.png"

RATE = 50.0
ALLOWED_SECONDS = 60.0
SEED = 20260101

FAULTS: dict[str, Fault] = {
    "dead": faults.dead,
    "hung": faults.hung,
    "slow": faults.slow,
    "flapping": faults.flapping,
    "overloaded": faults.overloaded,
    "rate-limited": faults.rate_limited,
}

ANSWERERS = (FIRST, "second", "extractive")
_FIRST, _SECOND, _LAST_RUNG = (Candidate(name, "openai", "model") for name in ANSWERERS)
PLAN = Plan((_FIRST, _SECOND), _LAST_RUNG, ())


async def simulate(fault: Fault, *, breakers_work: bool, rate: float = RATE) -> Run:
    """One run; must be awaited on a simulated loop."""
    clock, rng = SimulatedClock(), random.Random(SEED)
    breakers = Breakers(BreakerPolicy(), monotonic=clock.monotonic, random=rng.random)
    fault_ends = BEFORE_SECONDS + FAULT_SECONDS
    first = SimulatedProvider(FIRST, rng, fault, BEFORE_SECONDS, fault_ends)
    providers = {FIRST: first, "second": SimulatedProvider("second", rng)}
    breaker = breakers.get(_FIRST.target)
    if not breakers_work:
        breaker.override(Override.FORCE_CLOSED)
    ladder = Ladder(breakers, clock, rng.random, AttemptPolicy())
    run = Run()

    def generate(provider: str, timeout_seconds: float) -> EventStream:  # noqa: ARG001 - the Protocol's
        return providers[provider].generate() if provider in providers else _extract()

    async def ask() -> None:
        at, first_text, by = clock.monotonic(), 0.0, ""
        climb = ladder.climb(PLAN, generate, Deadline.after(ALLOWED_SECONDS, clock), whole=False)
        try:
            async with aclosing(climb.events()) as events:
                async for event in events:
                    first_text = first_text or clock.monotonic() - at
                    by = event.generation.provider if isinstance(event, Completed) else by
        except DocuQueryError:
            first_text = clock.monotonic() - at
        run.asked.append(Asked(at, by, first_text))

    async def watch() -> None:
        while True:
            run.states.append((clock.monotonic(), breaker.snapshot().state))
            await clock.sleep(0.5)

    watching = asyncio.create_task(watch())
    async with asyncio.TaskGroup() as group:
        while clock.monotonic() < fault_ends + AFTER_SECONDS:
            group.create_task(ask())
            await clock.sleep(rng.expovariate(rate))
    watching.cancel()
    run.asked.sort(key=lambda one: one.at)
    run.wasted_at = sorted(at for at in first.failed_at if BEFORE_SECONDS <= at < fault_ends)
    return run


@asynccontextmanager
async def _extract() -> AsyncIterator[AsyncIterator[GenerationEvent]]:
    async def events() -> AsyncIterator[GenerationEvent]:
        yield Started("extractive", "")
        yield Completed(GenerationCompleted(provider="extractive"))

    yield events()


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of them lie."""
    return statistics.quantiles(values, n=1000)[round(share * 1000) - 1]


def row(name: str, variant: str, run: Run) -> str:
    """One line of the table: the time of the fault, and what came after it."""
    usual = [one.first_text_seconds for one in run.during(0, BEFORE_SECONDS)]
    during = run.during(BEFORE_SECONDS, BEFORE_SECONDS + FAULT_SECONDS)
    took = [one.first_text_seconds for one in during]
    answered = sum(one.by != "" for one in during) / len(during)
    shares = [sum(one.by == name for one in during) / len(during) for name in ANSWERERS]
    added = [percentile(took, share) - percentile(usual, share) for share in (0.5, 0.99)]
    cells = [
        name,
        variant,
        f"{answered:.2%}",
        " / ".join(f"{share:.0%}" for share in shares),
        f"{added[0]:.2f}",
        f"{added[1]:.2f}",
        f"{len(run.wasted_at) / FAULT_SECONDS * 60:.0f}",
        f"{run.recovered_after:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


COLUMNS = (
    "first provider is",
    "breakers",
    "answered",
    "by first / second / extractive",
    "added p50 s",
    "added p99 s",
    "wasted calls a minute",
    "back after s",
)
HEADER = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"


def main() -> None:
    """Runs every fault twice, prints the table, and writes it where `--write` asks for that."""
    parser = argparse.ArgumentParser(prog="benchmarks.breaker_simulation")
    parser.add_argument("--write", action="store_true", help="put table and plot into docs/")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    lines, shown = [HEADER], {}
    for name, fault in FAULTS.items():
        for variant, work in (("yes", True), ("no", False)):
            run = run_simulated(simulate(fault, breakers_work=work))
            lines.append(row(name, variant, run))
            shown[name, variant] = run
            print(lines[-1] if len(lines) > 2 else "\n".join(lines), flush=True)
    if arguments.write:
        # Where it is needed only: it is large, and a development dependency.
        from benchmarks.simulation_plot import draw

        replace_section(DOCUMENT, "breaker simulation", "\n".join(lines))
        draw(shown, PLOT)


if __name__ == "__main__":
    main()
