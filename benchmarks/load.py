"""Calls made again and again, one after another or so many at a time or so many a second, and timed."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import grpc

from benchmarks.measurement import Measurement

Call: TypeAlias = Callable[[], Awaitable[object]]


@dataclass(slots=True)
class Timings:
    """How calls went; seconds."""

    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    """Turned away with RESOURCE_EXHAUSTED."""
    failed: list[float] = field(default_factory=list)
    turned_away: list[float] = field(default_factory=list)
    """Ended with CANCELLED, which nobody here asked for: by the server's own door."""
    lasted: float = 0.0
    """Seconds it all took."""
    uncounted: int = 0
    """Answers that came before or after those seconds."""

    @property
    def rate(self) -> float:
        """Answers a second."""
        return (len(self.answered) - self.uncounted) / self.lasted

    @property
    def sent(self) -> int:
        """Calls, however they ended."""
        return sum(map(len, (self.answered, self.refused, self.turned_away, self.failed)))


async def one(call: Call, timings: Timings) -> None:
    """Makes a call and files its time."""
    began = time.perf_counter()
    try:
        await call()
        timings.answered.append(time.perf_counter() - began)
    except grpc.aio.AioRpcError as error:
        kinds = {
            grpc.StatusCode.RESOURCE_EXHAUSTED: timings.refused,
            grpc.StatusCode.CANCELLED: timings.turned_away,
        }
        kinds.get(error.code(), timings.failed).append(time.perf_counter() - began)


async def in_turn(call: Call, count: int) -> Timings:
    """`count` calls, one after the other."""
    return await at_a_time(call, 1, count=count)


async def at_a_time(call: Call, in_flight: int, *, seconds: float = 0, count: int = 0) -> Timings:
    """`in_flight` callers, each asking as soon as it is answered, for so many seconds or calls in all."""
    timings, left = Timings(), count
    began = time.perf_counter()

    async def caller() -> None:
        nonlocal left
        while left > 0 if count else time.perf_counter() - began < seconds:
            left -= 1
            await one(call, timings)

    await asyncio.gather(*(caller() for _ in range(in_flight)))
    timings.lasted = time.perf_counter() - began
    return timings


async def a_second(call: Call, rate: float, seconds: float, settling_seconds: float = 0.0) -> Timings:
    """`rate` calls a second, evenly spaced, whether or not those before have been answered.

    Only answers that come while calls are sent are counted in `rate`, and none of the first
    `settling_seconds`: what waited at the end says nothing of how many a second there are.

    What could not be sent in its moment is sent as soon as it can: a generator that cannot keep up shows in
    the number of calls.
    """
    timings, tasks = Timings(), set()
    began = time.perf_counter()
    counted_from, early, sent = 0.0, 0, 0
    while (now := time.perf_counter() - began) < seconds:
        if not counted_from and now >= settling_seconds:
            counted_from, early = now, len(timings.answered)
        due = int(now * rate) + 1
        for _ in range(due - sent):
            task = asyncio.create_task(one(call, timings))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        sent = due
        await asyncio.sleep(max(0.0, sent / rate - (time.perf_counter() - began)))
    timings.lasted = time.perf_counter() - began - counted_from
    in_time = len(timings.answered)
    await asyncio.gather(*tasks)
    timings.uncounted = early + len(timings.answered) - in_time
    return timings


def percentile(values: Sequence[float], percent: float) -> float:
    """In milliseconds: the time within which `percent` of the calls were done; NaN without calls."""
    if len(values) < 2:
        return values[0] * 1e3 if values else float("nan")
    return statistics.quantiles(values, n=1000)[min(998, round(percent * 10) - 1)] * 1e3


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number beside its limit."""

    name: str
    values: Sequence[float]
    """One a round."""
    unit: str
    limit: float
    at_least: bool = False
    """Whether the limit is a lower one."""

    @property
    def measurement(self) -> Measurement:
        """The figure without its limit."""
        return Measurement(self.name, self.unit, tuple(self.values), self.at_least)

    def line(self) -> str:
        """A row of a table: the median, the spread, the limit, and whether it is kept."""
        median = statistics.median(self.values)
        kept = median >= self.limit if self.at_least else median <= self.limit
        sign = "≥" if self.at_least else "≤"
        spread = f"{min(self.values):.2f} to {max(self.values):.2f}"
        verdict = "yes" if kept else "NO"
        return f"| {self.name} | {median:.2f} {self.unit} | {spread} | {sign} {self.limit:g} | {verdict} |"


FIGURES_HEADER = "| what | median | spread | limit | kept |\n|---|---|---|---|---|"
