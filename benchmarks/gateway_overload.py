"""Far more questions than the whole system can answer: who is answered, who is refused, and how soon."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from benchmarks.gateway_calls import IN_FLIGHT, Size, api_of, questions
from benchmarks.gateway_processes import models, whole_system
from benchmarks.load import Figure, Timings, a_second, at_a_time, percentile

SETTLING_SECONDS = 2.0


async def overload(size: Size) -> list[Figure]:
    """Four and ten times what can be answered. The services have one core, the callers the other."""
    cores = sorted(os.sched_getaffinity(0))
    _stay_on(cores[:-1] or cores)  # and what is started from here on
    peaks: list[float] = []
    floods: dict[int, list[Timings]] = {4: [], 10: []}
    after: list[float] = []
    async with models() as server, whole_system(server, first="none") as address, api_of(address) as api:
        _stay_on(cores[-1:])
        await at_a_time(questions(api), IN_FLIGHT, seconds=size.seconds)
        for _ in range(size.overload_rounds):
            tried = [await at_a_time(questions(api), many, seconds=size.seconds) for many in (16, 32)]
            peaks.append(max(one.rate for one in tried))
            for times, rounds in floods.items():
                ask = questions(api, seconds=5)
                rounds.append(await a_second(ask, times * peaks[-1], size.overload_seconds, SETTLING_SECONDS))
            settled = await at_a_time(questions(api), IN_FLIGHT, seconds=size.seconds)
            after.append(100 * settled.rate / peaks[-1])
    _stay_on(cores)
    figures = [Figure("peak, answers a second", peaks, "/s", 0, at_least=True)]
    for times, rounds in floods.items():
        figures += _of_floods(f"{times} times that", peaks, rounds)
    return [*figures, Figure("afterwards, of the peak", after, "%", 90, at_least=True)]


def _stay_on(cores: Collection[int]) -> None:
    """Keeps all threads of this process to these cores: gRPC's, too, which do most of a caller's work."""
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def _of_floods(name: str, peaks: list[float], floods: list[Timings]) -> list[Figure]:
    goodput = [100 * flood.rate / peak for flood, peak in zip(floods, peaks, strict=True)]

    def share(kind: str) -> list[float]:
        return [100 * len(getattr(flood, kind)) / flood.sent for flood in floods]

    def p99(kind: str) -> list[float]:
        return [percentile(getattr(flood, kind) or [0.0], 99) for flood in floods]

    asked = [
        flood.sent / (flood.lasted + SETTLING_SECONDS) / peak
        for flood, peak in zip(floods, peaks, strict=True)
    ]
    return [
        Figure(f"{name}: asked, times the peak", asked, "x", 0, at_least=True),
        Figure(f"{name}: goodput of the peak", goodput, "%", 80, at_least=True),
        Figure(f"{name}: p99 of those answered", p99("answered"), "ms", 5000),
        Figure(f"{name}: refused with a reason", share("refused"), "%", 100),
        Figure(f"{name}: p99 of these", p99("refused"), "ms", 5000),
        Figure(f"{name}: turned away by gRPC's queue", share("turned_away"), "%", 100),
        Figure(f"{name}: p99 of these", p99("turned_away"), "ms", 5000),
        Figure(f"{name}: out of time or failed", share("failed"), "%", 1),
    ]
