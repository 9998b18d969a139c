"""What the gateway costs, and what it does when a provider is dead or too much is asked of it.

    python -m benchmarks.gateway [overhead|litellm|fallback|dead|overload ...] [--quick] [--rounds N]
                                 [--seconds S] [--json FILE]

overhead   a question through the gateway beside the same three calls over plain grpc.aio servers, in turn and
           at 16 in flight; the first token of a streamed answer, likewise. The services behind do nothing.
litellm    LiteLLM's proxy beside the models behind it, where LITELLM names its program (litellm_proxy.py).
fallback   a question whose first provider answers 500 beside one asked of the second at once: gateway and
           answer service are the real ones, the models take no time.
dead       50 questions a second for a minute, the first provider refusing connections: who is answered, what
           is asked in vain, and how long it takes beside the same without the dead provider.
overload   the most the whole system answers, then four and ten times as many questions a second, in turn; the
           callers have a core of their own. Goodput counts the answers of each second after the first two.

Every server is a process of its own; variants take turns in one run. Prints the median over the rounds, the
spread, and the limit beside it. `--quick` makes everything short, to see that it runs.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import grpc
import httpx2

from benchmarks import measurement
from benchmarks.gateway_calls import IN_FLIGHT, QUESTION, QUICK, Size, api_of, first_token, questions
from benchmarks.gateway_overload import overload
from benchmarks.gateway_processes import gateway_over, models, stubs, whole_system
from benchmarks.litellm_proxy import completion, litellm_proxy
from benchmarks.load import FIGURES_HEADER, Figure, a_second, at_a_time, in_turn, percentile
from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.gateway.v1 import admin_service_pb2 as admin
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery.gateway.v1.admin_service_pb2_grpc import AdminServiceStub
from docuquery.gateway.v1.docuquery_service_pb2_grpc import DocuQueryServiceStub


async def overhead(size: Size) -> list[Figure]:
    """The gateway beside bare hops."""
    added, added_first, rate, p99, bare_rate = [], [], [], [], []
    async with (
        stubs("bare-retrieval", "bare-answer", "bare-gateway") as bare,
        stubs("retrieval", "answer") as layered,
        gateway_over(layered) as gateway,
        api_of(bare["bare-gateway"]) as bare_api,
        api_of(gateway) as api,
    ):
        for one in (bare_api, api):
            await in_turn(questions(one), size.calls)
        for _ in range(size.rounds):
            apart = [await in_turn(questions(one), size.calls) for one in (bare_api, api)]
            added.append(percentile(apart[1].answered, 50) - percentile(apart[0].answered, 50))
            streamed = [await in_turn(partial(first_token, one), size.calls) for one in (bare_api, api)]
            added_first.append(percentile(streamed[1].answered, 50) - percentile(streamed[0].answered, 50))
            loaded = [
                await at_a_time(questions(one), IN_FLIGHT, seconds=size.seconds) for one in (bare_api, api)
            ]
            bare_rate.append(loaded[0].rate)
            rate.append(loaded[1].rate)
            p99.append(percentile(loaded[1].answered, 99))
    return [
        Figure("a question adds to its bare hops, p50", added, "ms", 2),
        Figure("the first token comes later by, p50", added_first, "ms", 5),
        Figure(f"questions a second at {IN_FLIGHT} in flight", rate, "/s", 300, at_least=True),
        Figure(f"p99 at {IN_FLIGHT} in flight", p99, "ms", 60),
        Figure("bare hops a second, for comparison", bare_rate, "/s", 0, at_least=True),
    ]


async def litellm(size: Size) -> list[Figure]:
    """The same for LiteLLM's proxy beside its upstream; the limits are the gateway's."""
    added, rate, p99, fallen = [], [], [], []
    async with models() as server, litellm_proxy(server) as proxied, httpx2.AsyncClient() as client:
        calls = [partial(completion, client, url) for url in (f"http://127.0.0.1:{server}/v1", proxied)]
        calls.append(partial(completion, client, proxied, "down"))
        for call in calls:
            await in_turn(call, size.calls)
        for _ in range(size.rounds):
            direct, through, failing = [await in_turn(call, size.calls) for call in calls]
            added.append(percentile(through.answered, 50) - percentile(direct.answered, 50))
            fallen.append(percentile(failing.answered, 50) - percentile(through.answered, 50))
            loaded = await at_a_time(calls[1], IN_FLIGHT, seconds=size.seconds)
            rate.append(loaded.rate)
            p99.append(percentile(loaded.answered, 99))
    return [
        Figure("LiteLLM's proxy adds, p50", added, "ms", 2),
        Figure("its fallback after a 500 costs, p50", fallen, "ms", 5),
        Figure(f"answers a second at {IN_FLIGHT} in flight", rate, "/s", 300, at_least=True),
        Figure(f"p99 at {IN_FLIGHT} in flight", p99, "ms", 60),
    ]


async def fallback(size: Size) -> list[Figure]:
    """What a provider's 500 costs."""
    costs, calls = [], []
    async with models() as server, whole_system(server, first="down") as address, api_of(address) as api:
        await close_breaker_of(address, "provider:anthropic/")
        second = replace_provider(QUESTION, "openai")
        for one in (QUESTION, second):
            await in_turn(questions(api, one), size.calls)
        for _ in range(size.rounds):
            direct = await in_turn(questions(api, second), size.calls)
            fallen = await in_turn(questions(api), size.calls)
            costs.append(percentile(fallen.answered, 50) - percentile(direct.answered, 50))
            result = (await api.Query(QUESTION)).result
            calls.append(float(sum(attempt.error_reason != 0 for attempt in result.attempts)))
    return [
        Figure("fallback after a 500 costs, p50", costs, "ms", 5),
        Figure("calls of the failing provider", calls, "", 1),
    ]


def replace_provider(request: pb.QueryRequest, provider: str) -> pb.QueryRequest:
    """The same question, of this provider first."""
    changed = pb.QueryRequest()
    changed.CopyFrom(request)
    changed.provider = provider
    return changed


async def close_breaker_of(address: str, prefix: str) -> None:
    """Forces the breakers whose target begins so to stay closed."""
    async with grpc.aio.insecure_channel(address) as channel:
        status = await DocuQueryServiceStub(channel).GetSystemStatus(pb.GetSystemStatusRequest())
        for breaker in status.breakers:
            if breaker.target.startswith(prefix):
                await AdminServiceStub(channel).OverrideBreaker(
                    admin.OverrideBreakerRequest(
                        target=breaker.target, override=admin.BREAKER_OVERRIDE_FORCE_CLOSED
                    )
                )


async def dead(size: Size) -> list[Figure]:
    """A first provider that refuses connections, at 50 questions a second."""
    wasted = 0
    async with models() as server, whole_system(server, first="dead") as address, api_of(address) as api:

        async def ask() -> None:
            nonlocal wasted
            result = (await api.Query(QUESTION, timeout=60)).result
            wasted += sum(
                attempt.error_reason not in (0, reasons.ERROR_REASON_CIRCUIT_OPEN)
                for attempt in result.attempts
            )

        without = await a_second(questions(api, replace_provider(QUESTION, "openai")), 50, size.seconds)
        begun = await a_second(ask, 50, 1.0)
        opened = await a_second(ask, 50, size.dead_seconds - 1.0)
    asked = [begun, opened]
    answered = sum(len(one.answered) for one in asked)
    total = sum(one.sent for one in asked)
    probes = sum(1 for wait in itertools.accumulate((5, 10, 20, 40)) if wait < size.dead_seconds)
    added = percentile(opened.answered, 99) - percentile(without.answered, 99)
    return [
        Figure("answered", [100 * answered / total], "%", 99.9, at_least=True),
        Figure(f"asked in vain (5 and {probes} probes)", [float(wasted)], "calls", 5 + probes),
        Figure("added p99 once the breaker is open", [added], "ms", 5),
    ]


MEASUREMENTS = {
    "overhead": overhead,
    **({"litellm": litellm} if os.environ.get("LITELLM") else {}),
    "fallback": fallback,
    "dead": dead,
    "overload": overload,
}


async def measure(names: list[str], size: Size) -> list[Figure]:
    """Runs the measurements and prints their tables."""
    measured = []
    for name in names:
        figures = await MEASUREMENTS[name](size)
        print(f"\n{name}\n\n{FIGURES_HEADER}")
        for figure in figures:
            print(figure.line(), flush=True)
        measured += figures
    return measured


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(prog="benchmarks.gateway")
    parser.add_argument("names", nargs="*", metavar="WHAT")
    parser.add_argument("--quick", action="store_true", help="make everything short")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.0, help="of each burst")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(MEASUREMENTS):
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}")
    size = QUICK if arguments.quick else Size()
    size = replace(size, rounds=arguments.rounds or size.rounds, seconds=arguments.seconds or size.seconds)
    figures = asyncio.run(measure(arguments.names or list(MEASUREMENTS), size))
    if arguments.json:
        measurement.write(arguments.json, [figure.measurement for figure in figures])


if __name__ == "__main__":
    main()
